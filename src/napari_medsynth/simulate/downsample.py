"""Fewer pixels: block means, antialiased bicubic, k-space crop, thick slices; and back.

Everything is area-aligned: coarse pixel k covers fine pixels k f to k f + f - 1, so its
centre lies at fine position k f + (f - 1) / 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_FWHM = 2.3548  # of a Gaussian, in standard deviations


def crop_to_multiple(image: NDArray[np.float32], factor: tuple[int, int]) -> Array:
    """Cut the last rows and columns of (H, W) that do not fill a coarse pixel."""
    rows, columns = (n - n % f for n, f in zip(image.shape, factor, strict=True))
    return image[:rows, :columns]


def block_mean(image: Array, factor: int, axis: int) -> Array:
    """Average each `factor` neighbours along `axis`, whose length is a multiple."""
    shape = image.shape
    blocks = (*shape[:axis], shape[axis] // factor, factor, *shape[axis + 1 :])
    return image.reshape(blocks).mean(axis=axis + 1, dtype=np.float32)


def bicubic_reduction(image: Array, factor: int, axis: int) -> Array:
    """Reduce by Keys' cubic [1]_ (a = -1/2), widened by `factor` against aliasing.

    Notes
    -----
    The kernel of Pillow's BICUBIC and of MATLAB's ``imresize``. Edges are mirrored, as
    MATLAB does; Pillow cuts the kernel off there. skimage's antialiasing is another: a
    Gaussian before a cubic spline. PyTorch's bicubic, if antialiased, agrees inside.

    References
    ----------
    .. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing",
       IEEE TASSP 29(6), 1981. https://doi.org/10.1109/TASSP.1981.1163711
    """
    return _weighted(image, keys(_offsets(factor) / factor), factor, axis)


def gaussian_slices(image: Array, factor: int, axis: int) -> Array:
    """Give slices `factor` apart whose Gaussian profile has that FWHM; edges mirror."""
    profile = np.exp(-0.5 * np.square(_offsets(factor) * (_FWHM / factor)))
    return _weighted(image, profile, factor, axis)


def kspace_crop(image: NDArray[np.inexact], factor: int, axis: int) -> NDArray[Any]:
    """Keep the central 1 / `factor` of k-space along `axis`; complex, mean unchanged.

    A linear phase puts the samples at the centres of the coarse pixels; without it they
    would lie at the first of each `factor` fine pixels, (f - 1) / 2 to the side.
    """
    from scipy.fft import fft, ifft

    n_fine = image.shape[axis]
    n = n_fine // factor
    frequency = np.fft.fftfreq(n, 1 / n).astype(int)  # 0, 1, ..., -1
    kept = np.take(fft(image.astype(np.complex64), axis=axis), frequency, axis=axis)
    shift = np.exp(1j * np.pi * (factor - 1) / n_fine * frequency) / factor
    along = [1] * image.ndim
    along[axis] = n
    coarse: NDArray[np.complex64] = ifft(
        kept * shift.reshape(along).astype(np.complex64), axis=axis
    )
    return coarse


def repeat(image: Array, factor: tuple[int, int]) -> Array:
    """Show each pixel of (H, W) as a block of `factor` equal ones."""
    rows, columns = factor
    return image.repeat(rows, axis=0).repeat(columns, axis=1)


def cubic_enlargement(image: Array, size: int, axis: int) -> Array:
    """Interpolate to `size` pixels on the same area along `axis`, by Keys' cubic.

    Edges are replicated. Any `size`, not only multiples; to be used for enlarging.
    """
    n = image.shape[axis]
    position = (np.arange(size) + 0.5) * (n / size) - 0.5
    first = np.floor(position).astype(int)
    along = [1] * image.ndim
    along[axis] = size
    total = np.zeros((*image.shape[:axis], size, *image.shape[axis + 1 :]), np.float32)
    for tap in range(-1, 3):
        weight = keys(position - first - tap).astype(np.float32).reshape(along)
        total += weight * np.take(image, np.clip(first + tap, 0, n - 1), axis=axis)
    return total


def keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the cubic convolution kernel with a = -1/2 at distances `x`."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _offsets(factor: int) -> NDArray[Any]:
    """Distances [fine pixel] of the 5 f pixels around a coarse pixel to its centre."""
    return np.arange(-2 * factor, 3 * factor) - (factor - 1) / 2


def _weighted(
    image: Array, weights: NDArray[np.float64], factor: int, axis: int
) -> Array:
    """Sum `weights` (5 f,) times the pixels around each coarse pixel; edges mirror."""
    weights = weights / weights.sum()
    moved = np.moveaxis(image, axis, 0)
    n = len(moved) // factor
    margin = [(2 * factor, 2 * factor)] + [(0, 0)] * (image.ndim - 1)
    padded = np.pad(moved, margin, mode="symmetric")
    total = np.zeros((n, *moved.shape[1:]), np.float32)
    for tap, weight in enumerate(weights.astype(np.float32)):
        if weight:
            total += weight * padded[tap : tap + n * factor : factor]
    return np.moveaxis(total, 0, axis)
