"""``medsynth doctor``: is everything there, and what to do if not."""

from __future__ import annotations

from typing import Annotated

import typer

from ._console import say_json


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check versions, devices, memory, libraries and models; name one fix each.

    The exit code is 1 if something that is needed does not work.
    """
    from napari_medsynth.doctor import State, examine, report

    findings = examine()
    if not json:
        raise typer.Exit(report(findings))
    is_fine = all(finding.state is not State.bad for finding in findings)
    say_json({"ok": is_fine, "checks": [finding.to_json() for finding in findings]})
    raise typer.Exit(0 if is_fine else 1)
