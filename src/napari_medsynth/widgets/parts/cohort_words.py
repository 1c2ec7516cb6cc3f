"""What the Data part says of the subjects that were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

STRONG = 3  # held-out subjects from which on a verdict is not called weak
_MOST_PROBLEMS = 4
_MOST_NAMES = 3
_WITHOUT_BASE = "Those held out are measured after every epoch."
_NOTHING_MEASURED = "With none held out nothing is measured on others."


def summary(
    n_train: int,
    n_held_out: int,
    n_other: int,
    *,
    is_open: bool,
    has_base: bool = True,
) -> str:
    """Say how many subjects there are for what.

    `is_open`: they are the layers of one person. `has_base`: what is trained will be
    compared with the model it was.
    """
    n_all = n_train + n_held_out + n_other
    if is_open:
        return (
            "One subject is open, so nothing can be held out: "
            + (
                "the verdict will not tell whether the model got better on others."
                if has_base
                else "nothing will be measured on others."
            )
            + " For that, use a folder."
        )
    other = f", {n_other} left out" if n_other else ""
    counts = (
        f"{n_all} subject{'s' * (n_all != 1)}: {n_train} to train on, {n_held_out} "
        f"held out{other}."
    )
    if not has_base:
        return f"{counts} {_WITHOUT_BASE if n_held_out else _NOTHING_MEASURED}"
    if n_held_out == 0:
        return f"{counts} With none held out there will be no verdict."
    if n_held_out < STRONG:
        return f"{counts} With fewer than {STRONG} held out the verdict will be weak."
    return counts


def all_problems(problems: Mapping[str, Sequence[str]]) -> str:
    """List the first problems, one a line, with whose they are: "sub-02: no PD"."""
    whose: dict[str, list[str]] = {}
    for name, texts in problems.items():
        for text in texts:
            whose.setdefault(text, []).append(name)
    lines = [
        f"{_names(names, len(problems))}: {text}"
        for text, names in sorted(whose.items(), key=lambda pair: is_gap(pair[0]))
    ]
    more = len(lines) - _MOST_PROBLEMS
    if more > 0:
        lines = [*lines[:_MOST_PROBLEMS], f"and {more} more: see the table."]
    return "\n".join(lines)


def is_gap(problem: str) -> bool:
    """Tell whether a problem is only that a contrast is missing: "no PD"."""
    return problem.startswith("no ")


def _names(names: Sequence[str], n_all: int) -> str:
    if len(names) == n_all > 1:
        return f"all {n_all}"
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    return ", ".join(names)
