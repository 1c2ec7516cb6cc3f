"""The naive baseline of the starter: mappings of intensities, blind to anatomy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from napari_medsynth.training.data.batches import Batches

BINS = {1: 64, 2: 32, 3: 16}  # of each source's intensity, by number of sources


class IntensityMapping:
    """Mean target intensity for each combination of source intensities.

    Parameters
    ----------
    sources, target : sequence of int, int
        Channels.
    """

    def __init__(self, sources: Sequence[int], target: int) -> None:
        self._sources, self._target = list(sources), target
        self._bins = BINS[len(sources)]
        size = self._bins ** len(sources)
        self._sums, self._counts = np.zeros(size), np.zeros(size)

    def fit(self, images: np.ndarray, truth: np.ndarray) -> None:
        """Add the pixels of (C, H, W) images in [-1, 1]."""
        cells = self._cells(images).ravel()
        size = len(self._sums)
        values = truth[self._target].ravel()
        self._sums += np.bincount(cells, weights=values, minlength=size)
        self._counts += np.bincount(cells, minlength=size)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Map (C, ...) images; unseen combinations take the nearest seen one."""
        shape = (self._bins,) * len(self._sources)
        counts = self._counts.reshape(shape)
        means = self._sums.reshape(shape) / np.maximum(counts, 1)
        nearest = distance_transform_edt(
            counts == 0, return_distances=False, return_indices=True
        )
        return means[tuple(nearest)].ravel()[self._cells(images)].astype(np.float32)

    def _cells(self, images: np.ndarray) -> np.ndarray:
        cells = np.zeros(images.shape[1:], np.int64)
        for channel in self._sources:
            level = ((images[channel] + 1) / 2 * self._bins).astype(np.int64)
            cells = cells * self._bins + np.clip(level, 0, self._bins - 1)
        return cells


def masks(modalities: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give every set of sources that leaves a target."""
    for n in range(1, len(modalities)):
        yield from combinations(modalities, n)


Mappings = dict[tuple[tuple[str, ...], str], IntensityMapping]


def fitted_mappings(names: Sequence[str], batches: Batches, n_batches: int) -> Mappings:
    """Fit all mappings on the images that the network of `names` learns from."""
    mappings = {
        (sources, target): IntensityMapping(
            [names.index(m) for m in sources], names.index(target)
        )
        for sources in masks(names)
        for target in names
        if target not in sources
    }
    for number in range(n_batches):
        batch = batches[number]
        for i in range(len(batch.truth)):
            given = _named(names, batch.given[i])
            present = given | _named(names, batch.wanted[i])
            scanned, truth = batch.sources[i].numpy(), batch.truth[i].numpy()
            for (sources, target), mapping in mappings.items():
                if target in present and given.issuperset(sources):
                    mapping.fit(scanned, truth)
    return mappings


def _named(names: Sequence[str], mask: Tensor) -> set[str]:
    return {name for name, is_there in zip(names, mask, strict=True) if is_there}
