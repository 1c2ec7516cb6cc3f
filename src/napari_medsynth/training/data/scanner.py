"""A random scanner: simulates single slices of one brain, alike over the volume."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion

from napari_medsynth.engine.intensity import Normalisation, fit_normalisation
from napari_medsynth.simulate import Anatomy, random_sequence
from napari_medsynth.simulate.anatomy import FULL
from napari_medsynth.simulate.artefacts import (
    bias_coefficients,
    bias_field,
    point_spread,
    rician,
)
from napari_medsynth.simulate.fields import smooth_field
from napari_medsynth.simulate.study import random_table

from .samples import Images

AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
N_PROBES = 20_000  # voxels from which the normalisation of the volume is estimated


class Scanner:
    """Tissues, sequences, bias fields, noise and normalisation of one session.

    Signals are linear in the tissue shares, so that a slice is one small matrix
    product: cheap enough to scan every training image anew.

    Parameters
    ----------
    modalities : tuple of str
        Contrasts.
    brain : Anatomy
        Who is scanned.
    rng : Generator
        Source of randomness.
    """

    def __init__(
        self, modalities: tuple[str, ...], brain: Anatomy, rng: np.random.Generator
    ) -> None:
        self._brain = brain
        table = random_table(rng)
        self._signals = np.stack(
            [random_sequence(m, table, rng).signals(table) for m in modalities]
        ) / np.float32(FULL)
        strength = rng.uniform(0, 0.1)
        self._bias = [bias_coefficients(rng, strength=strength) for _ in modalities]
        white = self._signals[:, 2] * np.float32(FULL)
        self._sigmas = white * rng.uniform(0.002, 0.04, len(modalities))
        self._gammas = np.exp(rng.normal(0, 0.04, len(modalities))).astype(np.float32)
        self._fwhm = rng.uniform(0, 1.8, len(modalities)) * (
            rng.uniform(size=len(modalities)) < 0.4
        )
        self._rim = int(rng.integers(0, 4))
        self._has_air_noise = rng.uniform() < 0.15
        self._fits = self._normalisations(rng)

    def _normalisations(self, rng: np.random.Generator) -> list[Normalisation]:
        """Fit each contrast's normalisation on random voxels of the scanned volume."""
        shape = self._brain.shares.shape[1:]
        where = [rng.integers(n, size=N_PROBES) for n in shape]
        shares = self._brain.shares[:, where[0], where[1], where[2]].astype(np.float32)
        inside = shares.sum(axis=0) > FULL / 2
        at = [
            (2 * w / (n - 1) - 1).astype(np.float32)
            for w, n in zip(where, shape, strict=True)
        ]
        fits = []
        for signals, bias, sigma in zip(
            self._signals, self._bias, self._sigmas, strict=True
        ):
            clean = (signals @ shares) * inside
            noisy = rician(clean * bias_field(bias, *at), float(sigma), rng) * inside
            fits.append(fit_normalisation(noisy, {"kind": "percentile"}))
        return fits

    def slice_(
        self,
        plane: str,
        index: int,
        rng: np.random.Generator,
        noise: np.random.Generator | None = None,
    ) -> tuple[Images, Images]:
        """Scan one slice; its noise comes from another source if there is one.

        Returns
        -------
        tuple of ndarray
            (C, H, W) in [-1, 1] as scanned, and the same without the scanner's bias
            field, blur and noise, but in the unit that these give the volume.
        """
        axis = AXIS[plane]
        shares = self._shares(axis, index, int(rng.choice([1, 1, 1, 2, 3, 4])))
        brain = shares.sum(axis=0) > FULL / 2
        if self._rim:
            brain = binary_erosion(brain, iterations=self._rim)
        position = self._position(axis, index)
        signals = self._varied(shares, rng)
        images, truth = np.empty_like(signals), np.empty_like(signals)
        for c, clean in enumerate(signals):
            shaded = clean * bias_field(self._bias[c], *position)
            blurred = point_spread(shaded, float(self._fwhm[c]))
            noisy = rician(blurred, float(self._sigmas[c]), noise or rng)
            seen = noisy if self._has_air_noise else noisy * brain
            images[c] = self._finished(c, self._fits[c].forward(seen))
            truth[c] = self._finished(c, self._fits[c].forward(clean * brain))
        return images, truth

    def _shares(self, axis: int, index: int, thickness: int) -> Images:
        """Average the tissue shares over the slice, (4, H, W)."""
        low = max(0, index - thickness // 2)
        box = [slice(None)] * 4
        box[1 + axis] = slice(low, low + thickness)
        return self._brain.shares[tuple(box)].mean(axis=1 + axis, dtype=np.float32)

    def _position(self, axis: int, index: int) -> list[Images | np.float32]:
        """Give z, y, x in [-1, 1] of the slice's pixels; they broadcast to (H, W)."""
        position: list[Images | np.float32] = []
        shape = self._brain.shares.shape[1:]
        in_plane = [a for a in range(3) if a != axis]
        for a, n in enumerate(shape):
            if a == axis:
                position.append(np.float32(2 * index / (n - 1) - 1))
                continue
            line = np.linspace(-1, 1, n, dtype=np.float32)
            position.append(line[:, None] if a == in_plane[0] else line)
        return position

    def _varied(self, shares: Images, rng: np.random.Generator) -> Images:
        """Mix the signals, each tissue a little different from place to place."""
        plane = shares.shape[1:]
        flat = shares.reshape(len(shares), -1)
        mixed = self._signals @ flat
        for period, size in ((25.0, 0.04), (5.0, 0.02)):
            field = smooth_field(plane, period, rng).ravel()
            relative = rng.normal(0, size, self._signals.shape).astype(np.float32)
            mixed += ((self._signals * relative) @ flat) * field
        return np.maximum(mixed, 0).reshape(-1, *plane)

    def _finished(self, channel: int, normalised: Images) -> Images:
        """Bend the grey scale of an image in [-1, 1]."""
        return 2 * (0.5 * (normalised + 1)) ** self._gammas[channel] - 1
