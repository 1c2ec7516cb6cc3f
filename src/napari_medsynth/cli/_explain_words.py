"""What ``medsynth explain`` says: facts of a map, and how its test went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any

from rich.table import Table

from napari_medsynth.explain.methods import METHODS, MapSource

from ._console import show

if TYPE_CHECKING:
    from napari_medsynth.explain import Honesty, SliceRecord

    from ._explain_place import Place


def facts_of(
    record: SliceRecord,
    source: MapSource,
    place: Place,
    is_reverse: bool,
    tested: Honesty | None,
) -> dict[str, Any]:
    """Give what made a map, and of what, as JSON values."""
    prepared = record.prepared
    card, method = prepared.card, METHODS[source.method]
    facts: dict[str, Any] = {
        "map": source.title,
        "method": method.title,
        "description": method.description,
        "reference": method.reference,
        "question": _question(is_reverse, place.query is not None),
        "model": card.id,
        "sha256": card.sha256,
        "sources": list(prepared.available),
        "target": prepared.targets[0],
        "plane": prepared.plane,
        "slice": place.index,
    }
    if place.pixel:
        facts["pixel"] = list(place.pixel)
    if tested:
        facts["honesty"] = asdict(tested)
    return facts


def caption(
    record: SliceRecord, facts: Mapping[str, Any], tested: Honesty | None
) -> list[str]:
    """Give the lines below a picture."""
    lines = [
        f"{facts['map']} - {record.made_by}",
        f"{facts['plane']} slice {facts['slice']}, {facts['question']}",
    ]
    if tested:
        verdict = "passed" if tested.passed else "FAILED: do not rely on this map"
        lines.append(f"honesty test {verdict}")
    return lines


def honesty_share() -> Callable[[str], tuple[float, str]]:
    """Give a function that tells, step by step, how much of a test is done."""
    from napari_medsynth.explain.honesty import N_STEPS

    done = count()
    return lambda text: (next(done) / N_STEPS, text)


def show_facts(report: Mapping[str, Any]) -> None:
    """Print what made the map, and its test, as a table."""
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")  # a hash is to be read whole
    for key in ("map", "question", "model", "sha256", "target", "plane", "slice"):
        table.add_row(key, str(report[key]))
    if "pixel" in report:
        table.add_row("pixel", ", ".join(map(str, report["pixel"])))
    tested = report.get("honesty")
    if tested:
        table.add_row("honesty", "passed" if tested["passed"] else "failed")
        table.add_row(
            "like shuffled weights", f"{tested['similarity_to_random']:+.2f} (rank)"
        )
        for name in ("most", "random", "least"):
            table.add_row(f"without {name}", _percents(tested[name]))
    show(table)


def _percents(shares: Sequence[float]) -> str:
    return "  ".join(f"{100 * share:.2g} %" for share in shares)


def _question(is_reverse: bool, has_place: bool) -> str:
    what = "the place" if has_place else "the slice"
    return f"what used {what}" if is_reverse else f"where it looked to paint {what}"
