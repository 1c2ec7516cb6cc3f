"""Training slices of made-up subjects."""

from __future__ import annotations

import numpy as np

from napari_medsynth.simulate import (
    Anatomy,
    add_lesions,
    individual_anatomy,
    load_anatomy,
)

from .samples import Sample
from .scanner import AXIS, Scanner


class SimulatedSlices:
    """Slices of made-up brains, scanned anew each time they are drawn.

    Parameters
    ----------
    modalities : tuple of str
        Contrasts.
    n_anatomies, n_lesions : int
        Brains kept in memory; largest number of lesions in one.
    seed : int
        Of the brains.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        *,
        n_anatomies: int,
        n_lesions: int,
        seed: int,
    ) -> None:
        self._modalities = modalities
        average = load_anatomy()
        self._brains: list[Anatomy] = []
        for i in range(n_anatomies):
            rng = np.random.default_rng((seed, 1, i))
            brain = individual_anatomy(average, rng, strength=rng.uniform(0.7, 1.3))
            n = int(rng.integers(n_lesions + 1))
            self._brains.append(add_lesions(brain, rng, n))

    def draw(self, plane: str, rng: np.random.Generator) -> Sample:
        brain = self._brains[rng.integers(len(self._brains))]
        scanner = Scanner(self._modalities, brain, rng)
        axis = AXIS[plane]
        n_slices = brain.shares.shape[1 + axis]
        index = int(rng.integers(n_slices // 12, n_slices - n_slices // 12))
        images, truth = scanner.slice_(plane, index, rng)
        return Sample(images, truth, np.ones(len(images), bool))
