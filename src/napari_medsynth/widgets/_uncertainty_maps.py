"""TargetMaps: mean, spread, interval and mask of one target, filled slice by slice."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.trust.calibration import Calibration


class TargetMaps:
    """Arrays (Z, Y, X) on the grid of the first source, changed in place.

    Parameters
    ----------
    inside : ndarray of bool
        (Z, Y, X), the head: where something may be marked.
    axis : int
        Slices are numbered along it.
    low, high : float
        What the network's black and white are in the unit of the result.

    Attributes
    ----------
    low, data_range : float
        Black, and the width of the range, in the unit of the result.
    mean, spread, half_width : ndarray of float32
        In the unit of the result; 0 spread and half-width on slices not run.
    labels : ndarray of uint8
        1 where hatched.
    known : ndarray of bool
        Slices that were run.
    """

    def __init__(
        self, inside: NDArray[np.bool_], axis: int, low: float, high: float
    ) -> None:
        self.inside, self.axis = inside, axis
        self.low, self.data_range = float(low), float(high - low)
        self.mean = np.full(inside.shape, low, np.float32)
        self.spread = np.zeros(inside.shape, np.float32)
        self.half_width = np.zeros(inside.shape, np.float32)
        self.labels = np.zeros(inside.shape, np.uint8)
        self.known = np.zeros(inside.shape[axis], bool)
        self.calibration: Calibration | None = None

    @property
    def wide(self) -> NDArray[np.float32]:
        """What is compared with the limit: the half-width; uncalibrated, the spread."""
        return self.spread if self.calibration is None else self.half_width

    @property
    def mean_spread(self) -> float:
        """Mean spread in the head, as a share of the range; of slices that were run."""
        spread, inside = (
            np.moveaxis(x, self.axis, 0)[self.known] for x in (self.spread, self.inside)
        )
        return float(spread[inside].mean() / self.data_range) if inside.any() else 0.0

    def fill(
        self,
        slices: Sequence[int],
        mean: NDArray[np.float32],
        spread: NDArray[np.float32],
        limit: float,
    ) -> None:
        """Put finished slices (n, rows, columns) in, and hatch them.

        `limit` is a share of the range.
        """
        chosen = list(slices)
        np.moveaxis(self.mean, self.axis, 0)[chosen] = mean
        np.moveaxis(self.spread, self.axis, 0)[chosen] = spread
        self.known[chosen] = True
        self._widen(chosen)
        for index in chosen:
            self.mark_slice(index, limit)

    def calibrate(self, calibration: Calibration | None) -> None:
        """Take another calibration, or none; `labels` are as they were."""
        self.calibration = calibration
        self._widen(np.flatnonzero(self.known).tolist())

    def mark_slice(self, index: int, limit: float) -> None:
        """Hatch one slice anew, if it was run; quick enough for a slider."""
        if self.known[index]:
            wide, inside, labels = (
                np.moveaxis(x, self.axis, 0)[index]
                for x in (self.wide, self.inside, self.labels)
            )
            mask = (wide > limit * self.data_range) & inside
            labels[...] = _hatched(mask, index, self.axis)

    def _widen(self, slices: Sequence[int]) -> None:
        from napari_medsynth.trust.conformal import half_width

        if self.calibration is not None and len(slices):
            spread = np.moveaxis(self.spread, self.axis, 0)[slices]
            np.moveaxis(self.half_width, self.axis, 0)[slices] = half_width(
                spread, self.calibration, data_range=self.data_range
            )


Maps = dict[str, TargetMaps]  # by target


@dataclass(frozen=True, eq=False)
class Marked:
    """What is not to be trusted.

    Parameters
    ----------
    maps : mapping
        What was looked at.
    labels : mapping
        Target to uint8 (Z, Y, X), 1 where hatched.
    shares : mapping
        Target to the share of the head, on the slices that were run.
    limit : float
        Share of the range.
    """

    maps: Maps
    labels: Mapping[str, NDArray[np.uint8]]
    shares: Mapping[str, float]
    limit: float


def mark(maps: Maps, limit: float) -> Generator[None, None, Marked]:
    """Hatch all slices that were run; `maps` stay as they are. For a worker thread."""
    labels, shares = {}, {}
    for target, one in maps.items():
        labels[target] = np.zeros_like(one.labels)
        n_wide = n_inside = 0
        views = [
            np.moveaxis(x, one.axis, 0) for x in (one.wide, one.inside, labels[target])
        ]
        for index in np.flatnonzero(one.known).tolist():
            wide, inside, marked = (view[index] for view in views)
            mask = (wide > limit * one.data_range) & inside
            marked[...] = _hatched(mask, index, one.axis)
            n_wide += int(np.count_nonzero(mask))
            n_inside += int(np.count_nonzero(inside))
            yield
        shares[target] = n_wide / max(n_inside, 1)
    return Marked(maps, labels, shares, limit)


def _hatched(mask: NDArray[np.bool_], index: int, axis: int) -> NDArray[np.bool_]:
    """Hatch one slice as it is hatched in its volume."""
    from napari_medsynth.trust.do_not_trust import hatch

    slab = np.expand_dims(mask, axis)
    return np.squeeze(hatch(slab, axis=axis, first=index), axis)
