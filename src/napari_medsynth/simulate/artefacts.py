"""What a scanner adds: bias field, thick slices, blur and Rician noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter1d

Positions = NDArray[np.float32] | np.float32


def bias_coefficients(
    rng: np.random.Generator, *, strength: float = 0.2
) -> NDArray[np.float64]:
    """Draw the ten coefficients of a receive field for `bias_field`."""
    scale = strength * np.array([0, 1, 1, 1, 0.7, 0.7, 0.7, 0.5, 0.5, 0.5])
    return rng.normal(0, scale)


def bias_field(
    coefficients: NDArray[np.float64],
    z: Positions,
    y: Positions,
    x: Positions,
) -> NDArray[np.float32]:
    """Evaluate ``exp`` of a quadratic polynomial: the smooth shading of a head coil.

    Parameters
    ----------
    coefficients : ndarray
        (10,), of 1, z, y, x, z2, y2, x2, zy, zx, yx.
    z, y, x : ndarray or float
        Positions, -1 to 1 across the field of view; they broadcast.
    """
    c = coefficients.astype(np.float32)
    plane = c[0] + z * (c[1] + c[4] * z) + y * (c[2] + c[5] * y) + x * (c[3] + c[6] * x)
    return np.exp(plane + c[7] * (z * y) + c[8] * (z * x) + c[9] * (y * x))


def rician(
    signal: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give the magnitude of `signal` plus complex noise of `sigma` in each part."""
    real = signal + sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.hypot(real, imaginary)


def thick_slices(
    image: NDArray[np.float32], thickness: float, axis: int
) -> NDArray[np.float32]:
    """Average over `thickness` [voxel] along `axis`, on the same grid."""
    whole = round(thickness)
    return image if whole <= 1 else uniform_filter1d(image, whole, axis=axis)


def point_spread(image: NDArray[np.float32], fwhm: float) -> NDArray[np.float32]:
    """Blur by a Gaussian of `fwhm` [voxel]."""
    return image if fwhm < 0.2 else gaussian_filter(image, fwhm / 2.3548, truncate=2.5)
