"""SliceStack: maps of slices, collected one by one into a volume over the anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

    from .prepared import Prepared


class SliceStack:
    """A volume from the first to the last of some slices, on the reference's grid.

    Parameters
    ----------
    prepared : Prepared
        Where the slices are cut.
    indices : sequence of int
        Which; slices between them that get no map stay 0.
    """

    def __init__(self, prepared: Prepared, indices: Sequence[int]) -> None:
        self._reference, self._axis = prepared.reference, prepared.frame.axis
        self._first = min(indices)
        n_slices = max(indices) - self._first + 1
        self._maps = np.zeros((n_slices, *prepared.frame.size), np.float32)

    def add(self, index: int, image: NDArray[np.floating]) -> None:
        """Put the map (h, w) of one slice in its place."""
        self._maps[index - self._first] = image

    def volume(self, name: str, **metadata: Any) -> Volume:
        """Give what was collected as a volume without modality."""
        step = np.zeros(3)
        step[self._axis] = self._first * self._reference.spacing[self._axis]
        corner = np.add(self._reference.origin, self._reference.direction @ step)
        s, p, left = corner.tolist()
        array = np.moveaxis(self._maps, 0, self._axis)
        return self._reference.with_data(
            np.ascontiguousarray(array)[np.newaxis],
            origin=(s, p, left),
            modality="",
            name=name,
            metadata=metadata,
        )
