"""Smooth random fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom


def smooth_field(
    shape: tuple[int, ...], period: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give a random field of about unit variance that varies over `period` voxels.

    Parameters
    ----------
    shape : tuple of int
        Any number of axes.
    period : float
        Distance of the independent nodes [voxel]; linear interpolation between them.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray
        float32, of `shape`.
    """
    nodes = [max(2, round(n / period) + 1) for n in shape]
    coarse = rng.standard_normal(nodes, dtype=np.float32)
    factors = [n / m for n, m in zip(shape, nodes, strict=True)]
    return zoom(coarse, factors, order=1, grid_mode=False)
