"""Paths through an ART block in words, colours and rows of a table. No torch."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth.catalogue.pack import replacing

if TYPE_CHECKING:
    from napari_medsynth.explain import PathStrength

SEGMENTS = ("input skip", "contextual", "local", "hybrid", "base")
MEANINGS = {
    "input skip": "the block's input, passed on",
    "contextual": "what the transformer made, passed on",
    "local": "the block's input, through the convolutions",
    "hybrid": "what the transformer made, through the convolutions",
    "base": "what is there without any input",
}
# Okabe and Ito, told apart by colour-blind people; base is nobody's work
COLOURS = {
    "input skip": "#56b4e9",
    "contextual": "#e69f00",
    "local": "#009e73",
    "hybrid": "#cc79a7",
    "base": "#8a8a8a",
}

Strengths = Sequence["PathStrength"]


def shares_of(strength: PathStrength) -> dict[str, float]:
    """Give the share of each of `SEGMENTS` in a block's output; they sum to 1."""
    left = 1 - strength.base
    shares = {name: left * share for name, share in strength.strengths.items()}
    shares["base"] = strength.base
    return {name: shares.get(name, 0.0) for name in SEGMENTS}


def sentence_of(strength: PathStrength) -> str:
    """Say how a block's output came about."""
    shares = shares_of(strength)
    parts = [f"{n} {share:.0%}" for n, share in shares.items() if share > 0]
    return f"{strength.block}: {', '.join(parts) or 'nothing'}"


def table_of(
    facts: Mapping[str, str], slices: Mapping[int, Strengths]
) -> Iterable[list[str]]:
    """Give the rows of a table, the names of the columns first.

    Parameters
    ----------
    facts : mapping
        Columns that say the same in every row: model, weights, plane.
    slices : mapping
        Index of a slice to the strengths of its blocks.
    """
    yield [*facts, "slice", "block", *SEGMENTS]
    for index, strengths in sorted(slices.items()):
        for strength in strengths:
            shares = [f"{share:.6f}" for share in shares_of(strength).values()]
            yield [*facts.values(), str(index), strength.block, *shares]


def save_table(
    path: Path, facts: Mapping[str, str], slices: Mapping[int, Strengths]
) -> Generator[None, None, Path]:
    """Write `table_of` as CSV, whole or not at all; steps for a worker.

    Raises
    ------
    MedSynthError
        If it cannot be written.
    """
    yield
    text = StringIO(newline="")
    csv.writer(text).writerows(table_of(facts, slices))
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8", newline="")
    return path
