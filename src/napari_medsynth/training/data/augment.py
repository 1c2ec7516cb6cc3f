"""Random variations of a slice: moved, shaded, with noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform

from napari_medsynth.simulate.artefacts import (
    bias_coefficients,
    bias_field,
    point_spread,
)

from .samples import Images


def varied(
    whole: Images, rng: np.random.Generator, *, affine: float, intensity: float
) -> tuple[Images, Images]:
    """Vary a slice (C, H, W) in [-1, 1]; give what is seen and what is true of it.

    Both are moved alike. Shading, contrast, blur and noise are only seen: no network
    can know those of the image that it has to make.

    Parameters
    ----------
    whole : ndarray
    rng : Generator
    affine, intensity : float
        How much, see `TrainConfig`.
    """
    moved = 0.5 * (whole + 1)
    if affine:
        moved = _move(moved, rng, affine)
    if not intensity:
        return 2 * np.clip(moved, 0, 1) - 1, 2 * np.clip(moved, 0, 1) - 1
    shaded = _shade(moved, rng, intensity)
    sigma = intensity * rng.uniform(0, 0.03)
    noise = np.float32(sigma) * rng.standard_normal(moved.shape, np.float32)
    images = np.clip(shaded + noise * (moved > 0), 0, 1)
    return 2 * images - 1, 2 * np.clip(moved, 0, 1) - 1


def _move(images: Images, rng: np.random.Generator, size: float) -> Images:
    """Rotate, scale and shift all contrasts alike."""
    angle = np.radians(rng.normal(0, 5 * size))
    scale = np.exp(rng.normal(0, 0.07 * size, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn * scale
    centre = (np.array(images.shape[1:]) - 1) / 2
    offset = centre - matrix @ centre + rng.normal(0, 3 * size, 2)
    return np.stack(
        [affine_transform(image, matrix, offset, order=1) for image in images]
    )


def _shade(images: Images, rng: np.random.Generator, size: float) -> Images:
    """Change contrast, shading and sharpness of each image; [0, 1] in, about so out."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in images.shape[1:])
    result = np.empty_like(images)
    for channel, image in enumerate(images):
        field = bias_field(
            bias_coefficients(rng, strength=0.06 * size), np.float32(0), y[:, None], x
        )
        gamma = np.exp(rng.normal(0, 0.05 * size))
        shaded = field * np.clip(image, 0, None) ** np.float32(gamma)
        fwhm = rng.uniform(0.5, 1.5) if rng.uniform() < 0.15 * size else 0.0
        result[channel] = point_spread(shaded, fwhm)
    return result
