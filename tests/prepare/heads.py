"""Made-up heads whose brightness at every depth is known."""

from __future__ import annotations

import numpy as np

from napari_medsynth.io import Volume

SPACING = 3.0  # mm
SIZE = 64  # voxels along each side
RADIUS = 72.0  # of the brain [mm]

# Brightness of (rim, grey, white, core) by contrast: enough to tell them apart.
CONTRASTS = {
    "T1": (0.3, 0.7, 1.0, 0.3),
    "T2": (1.6, 0.9, 0.6, 1.8),
    "FLAIR": (0.3, 1.0, 0.8, 0.25),
}


def depths() -> np.ndarray:
    """Depth under the surface of the ball-shaped brain [mm], negative outside."""
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return RADIUS - np.sqrt(z**2 + y**2 + x**2)


def brain(contrast: str, *, scale: float = 500.0, seed: int = 0) -> Volume:
    """A brain of four shells, a little noisy."""
    levels = CONTRASTS[contrast]
    depth = depths()
    edges = [depth > 0, depth > 4, depth > 10, depth > 48]
    array = np.zeros(depth.shape)
    for inside, level in zip(edges, levels, strict=True):
        array[inside] = level
    noise = np.random.default_rng(seed).normal(0, 0.01, array.shape)
    return volume(scale * np.where(depth > 0, array + noise, 0), contrast)


def with_skull(contrast: str, **options: float) -> Volume:
    """The same brain inside bone and a bright scalp."""
    inner = brain(contrast, **options)
    depth = depths()
    array = inner.data[0].copy()
    top = float(array.max())
    array[(depth <= 0) & (depth > -9)] = 0.1 * top
    array[(depth <= -9) & (depth > -18)] = 0.9 * top
    return volume(array, contrast)


def volume(array: np.ndarray, modality: str = "T1", **options: object) -> Volume:
    """Put an array (Z, Y, X) on the grid of these heads."""
    return Volume(
        array[np.newaxis].astype(np.float32),
        spacing=(SPACING,) * 3,
        modality=modality,
        name=modality,
        **options,
    )
