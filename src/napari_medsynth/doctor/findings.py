"""One finding of the doctor, and the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape


class State(StrEnum):
    """How a finding is meant."""

    ok = "ok"
    warning = "warning"  # something optional is missing
    bad = "bad"  # something needed is missing or broken


@dataclass(frozen=True)
class Finding:
    """One checked fact.

    Parameters
    ----------
    name : str
        What was checked: "torch", "Qt libraries", ...
    text : str
        What was found.
    state : State
        Whether that is good.
    fix : str
        One line that mends it, a command where there is one; "" if all is well.
    """

    name: str
    text: str
    state: State = State.ok
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the finding as JSON values."""
        return asdict(self)


_MARKS = {
    State.ok: "[green]  ok[/]",
    State.warning: "[yellow]note[/]",
    State.bad: "[bold red] BAD[/]",
}


def report(findings: Sequence[Finding]) -> int:
    """Write all findings to stdout; give the exit code, 1 if any is bad."""
    console = Console(highlight=False)
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        line = f"{_MARKS[finding.state]}  {finding.name:<{width}}  "
        console.print(line + escape(finding.text), soft_wrap=True)
        if finding.fix:
            indent = " " * (width + 8)
            console.print(f"{indent}[bold]->[/] {escape(finding.fix)}", soft_wrap=True)
    n_bad = sum(finding.state is State.bad for finding in findings)
    if n_bad:
        console.print(f"\n[bold red]{n_bad} to mend[/], each with its line above.")
        return 1
    console.print("\nAll that is needed works.")
    return 0
