"""Which slice, and which place on it: ``90,110`` or ``12.5,-30,8``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import typer

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.explain import Query

RADIUS = 2  # pixels around the one that is named


@dataclass(frozen=True, eq=False)
class Place:
    """A slice, and the place on it that asks, if there is one."""

    index: int
    query: Query | None = None
    pixel: tuple[int, int] | None = None
    """Row and column of the middle of the query."""


def parse_place(text: str) -> tuple[float, ...]:
    """Give the two or three numbers of ``ROW,COL`` or ``S,P,L``; none of "".

    Raises
    ------
    BadParameter
        If it is neither.
    """
    if not text:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (2, 3) or not np.isfinite(numbers).all():
        raise typer.BadParameter(
            "--query is ROW,COL in pixels, such as 90,110, or S,P,L in millimetres, "
            f"such as 12.5,-30,8; got {text!r}."
        )
    return numbers


def place_of(
    prepared: Prepared, numbers: tuple[float, ...], slice_: int | None
) -> Place:
    """Find the slice and the place on it.

    Raises
    ------
    BadParameter
        If a place in millimetres lies on another slice than the one asked for.
    EngineError
        If the slice does not exist, or the place is outside of it.
    """
    from napari_medsynth.engine.slices import slice_indices
    from napari_medsynth.explain import query_at

    if len(numbers) == 3:
        found, row, column = _index_of(prepared, numbers)
        if slice_ not in (None, found):
            raise typer.BadParameter(
                f"The place is on slice {found}, not on {slice_}: leave --slice out."
            )
        slice_ = found
    index = widest_slice(prepared) if slice_ is None else slice_
    slice_indices(index, prepared.n_slices)
    if not numbers:
        return Place(index)
    if len(numbers) == 2:
        row, column = numbers
    query = query_at(prepared, row, column, RADIUS)
    return Place(index, query, (round(row), round(column)))


def widest_slice(prepared: Prepared) -> int:
    """Give the slice on which the first source shows the most."""
    from napari_medsynth.engine.metrics import foreground

    reference = prepared.reference
    inside = foreground(reference.data[0])
    others = tuple(axis for axis in range(3) if axis != prepared.frame.axis)
    return int(np.argmax(inside.sum(axis=others)))


def _index_of(prepared: Prepared, world: tuple[float, ...]) -> tuple[int, float, float]:
    """Slice, row and column of a point (S, P, L) [mm]."""
    reference, axis = prepared.reference, prepared.frame.axis
    shift = np.subtract(world, reference.origin)
    index = (reference.direction.T @ shift) / reference.spacing
    row, column = np.delete(index, axis)
    return round(index[axis]), float(row), float(column)
