"""Training slices of made-up subjects."""

from __future__ import annotations

from threading import Lock

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
    neighbours : int
        Slices on each side that a sample has too.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        *,
        n_anatomies: int,
        n_lesions: int,
        seed: int,
        neighbours: int = 0,
    ) -> None:
        self._modalities, self._seed, self._reach = modalities, seed, neighbours
        self._n_anatomies, self._n_lesions = n_anatomies, n_lesions
        self._average = load_anatomy()
        self._brains: dict[int, Anatomy] = {}
        self._lock = Lock()

    def draw(
        self,
        plane: str,
        rng: np.random.Generator,
        modalities: tuple[str, ...] | None = None,
    ) -> Sample:
        """Give a random slice of `plane`, in other contrasts than usual on demand."""
        brain = self._brain(int(rng.integers(self._n_anatomies)))
        scanner = Scanner(modalities or self._modalities, brain, rng)
        axis = AXIS[plane]
        n_slices = brain.shares.shape[1 + axis]
        index = int(rng.integers(n_slices // 12, n_slices - n_slices // 12))
        if not self._reach:
            images, truth = scanner.slice_(plane, index, rng)
            return Sample(images, truth, np.ones(len(images), bool))
        around = np.arange(index - self._reach, index + self._reach + 1)
        seed = int(rng.integers(2**32))  # one scan: all but the noise is the same
        slabs = [
            scanner.slice_(plane, i, np.random.default_rng(seed), rng)
            for i in around.clip(0, n_slices - 1).tolist()
        ]
        images, truth = (np.stack(parts, axis=1) for parts in zip(*slabs, strict=True))
        shape = (-1, *images.shape[2:])
        present = np.ones(len(images), bool)
        return Sample(images.reshape(shape), truth.reshape(shape), present)

    def _brain(self, number: int) -> Anatomy:
        """Give a brain, made up when it is first needed: each takes seconds."""
        with self._lock:
            if number not in self._brains:
                rng = np.random.default_rng((self._seed, 1, number))
                strength = rng.uniform(0.7, 1.3)
                brain = individual_anatomy(self._average, rng, strength=strength)
                n = int(rng.integers(self._n_lesions + 1))
                self._brains[number] = add_lesions(brain, rng, n)
            return self._brains[number]
