"""Training images: slices of made-up and of real subjects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, same_grid
from napari_medsynth.simulate import (
    Anatomy,
    add_lesions,
    individual_anatomy,
    load_anatomy,
)
from napari_medsynth.simulate.artefacts import (
    bias_coefficients,
    bias_field,
    point_spread,
)

from .scanner import AXIS, Images, Scanner


@dataclass(frozen=True, eq=False)
class Sample:
    """One slice in all contrasts.

    Parameters
    ----------
    images : ndarray
        float32, (C, H, W) in [-1, 1]: what a network is given, with noise.
    truth : ndarray
        The same without bias field, blur and noise: what it should give.
    present : ndarray
        bool, (C,): which contrasts exist.
    """

    images: Images
    truth: Images
    present: NDArray[np.bool_]


class SliceSource(Protocol):
    """Something that slices can be drawn from."""

    def draw(self, plane: str, rng: np.random.Generator) -> Sample:
        """Give a random slice of `plane`."""


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


class RealSlices:
    """Slices of one real subject, moved and re-shaded a little each time.

    Parameters
    ----------
    folder : Path
        With ``T1.nii.gz`` and so on, on one grid.
    modalities : tuple of str
        Contrasts; those without a file are not present.

    Raises
    ------
    VolumeError
        If fewer than two contrasts are there, or their grids differ.
    """

    def __init__(self, folder: Path, modalities: tuple[str, ...]) -> None:
        paths = {m: folder / f"{m}.nii.gz" for m in modalities}
        volumes = {m: read_volume(path) for m, path in paths.items() if path.is_file()}
        if len(volumes) < 2:
            raise VolumeError(
                f"{folder} needs two of {', '.join(p.name for p in paths.values())}, "
                f"got {len(volumes)}."
            )
        first = next(iter(volumes.values()))
        if not all(same_grid(first, other) for other in volumes.values()):
            raise VolumeError(f"The volumes of {folder} must be on one grid.")
        self._present = np.array([m in volumes for m in modalities])
        self._data = np.full((len(modalities), *first.shape), -1, np.float16)
        for channel, modality in enumerate(modalities):
            if modality in volumes:
                image = volumes[modality].data[0]
                fit = fit_normalisation(image, {"kind": "percentile"})
                self._data[channel] = fit.forward(image)

    def draw(self, plane: str, rng: np.random.Generator) -> Sample:
        axis = AXIS[plane]
        n_slices = self._data.shape[1 + axis]
        index = int(rng.integers(n_slices // 12, n_slices - n_slices // 12))
        whole = np.take(self._data, index, axis=1 + axis).astype(np.float32)
        moved = _move(0.5 * (whole + 1), rng)
        moved = _shade(moved, rng)
        noise = rng.uniform(0, 0.03) * rng.standard_normal(moved.shape, np.float32)
        images = np.clip(moved + noise * (moved > 0), 0, 1)
        truth = np.clip(moved, 0, 1)
        return Sample(2 * images - 1, 2 * truth - 1, self._present)


def mirrored(sample: Sample) -> Sample:
    """Swap left and right of an axial or coronal slice."""
    return Sample(sample.images[..., ::-1], sample.truth[..., ::-1], sample.present)


def _move(images: Images, rng: np.random.Generator) -> Images:
    """Rotate, scale and shift all contrasts alike."""
    angle = np.radians(rng.normal(0, 5))
    scale = np.exp(rng.normal(0, 0.07, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn * scale
    centre = (np.array(images.shape[1:]) - 1) / 2
    offset = centre - matrix @ centre + rng.normal(0, 3, 2)
    return np.stack(
        [affine_transform(image, matrix, offset, order=1) for image in images]
    )


def _shade(images: Images, rng: np.random.Generator) -> Images:
    """Change contrast, shading and sharpness of each image; [0, 1] in, about so out."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in images.shape[1:])
    result = np.empty_like(images)
    for channel, image in enumerate(images):
        field = bias_field(
            bias_coefficients(rng, strength=0.06), np.float32(0), y[:, None], x
        )
        gamma = np.exp(rng.normal(0, 0.05))
        shaded = field * np.clip(image, 0, None) ** np.float32(gamma)
        fwhm = rng.uniform(0.5, 1.5) if rng.uniform() < 0.15 else 0.0
        result[channel] = point_spread(shaded, fwhm)
    return result
