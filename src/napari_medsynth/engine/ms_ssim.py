"""Multi-scale structural similarity of slices, with a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from .metrics import WINDOW, checked_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

# Table of [1]: how much each scale matters to viewers, from fine to coarse.
_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_K1, _K2 = 0.01, 0.03
_SIGMA = 1.5  # pixels
N_SCALES, _FEWEST = len(_EXPONENTS), 3
SMALLEST = WINDOW * 2 ** (_FEWEST - 1)
"""Pixels that a slice needs along each side: the third scale holds one window."""


def ms_ssim(
    a: ArrayLike,
    b: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Give the mean multi-scale structural similarity [1]_ of slices, 0 to 1.

    Parameters
    ----------
    a, b : array_like
        (..., H, W), H and W at least 44, intensities that span `data_range`.
    mask : array_like of bool, optional
        Voxels that count; all finite ones without it.
    data_range : float
        Distance of the largest and the smallest possible intensity.

    Returns
    -------
    float
        Mean over slices, each weighted by its voxels that count.

    Raises
    ------
    ValueError
        If the shapes differ, the range is not positive, no voxel counts, or the slices
        are too small.

    Notes
    -----
    Scales are halved by means of 2 x 2 pixels. A negative mean contrast counts as 0.
    Slices below 176 pixels hold no window at the coarsest scales: those are left out
    and the exponents of the others scaled to the same sum (`scales_of`). Such numbers
    compare with each other, not with those of five scales.

    The paper knows no mask. Here a pixel of a coarse scale counts by the share of its
    pixels that do; the image goes on mirrored at its border. Where all pixels of a
    slice count, only windows inside the image do, as in the paper.

    References
    ----------
    .. [1] Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multi-scale structural similarity
       for image quality assessment", Asilomar 2003, equation 7.
       https://doi.org/10.1109/ACSSC.2003.1292216
    """
    x, y, counted = checked_pair(a, b, mask, data_range)
    if x.ndim < 2 or min(x.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"MS-SSIM needs slices of {SMALLEST} pixels or more, got {x.shape}."
        )
    total, n_voxels = 0.0, 0
    slices = (array.reshape(-1, *x.shape[-2:]) for array in (x, y, counted))
    for one, other, inside in zip(*slices, strict=True):
        if not inside.any():
            continue
        value = similarity_within(similarity_maps(one, other, data_range), inside)
        if not np.isnan(value):
            total += value * int(inside.sum())
            n_voxels += int(inside.sum())
    if not n_voxels:
        raise ValueError("MS-SSIM needs a mask that reaches the coarsest scale.")
    return total / n_voxels


def scales_of(shape: Sequence[int]) -> int:
    """Give how many scales, 5 at most, of a slice (H, W) hold one window of 11."""
    fitting = (n for n in range(N_SCALES) if min(shape) // 2**n >= WINDOW)
    return len(list(fitting))


def similarity_maps(a: Array, b: Array, data_range: float) -> tuple[Array, ...]:
    """Give what is averaged at each scale of one slice (H, W), from fine to coarse.

    Contrast and structure, at the coarsest scale times luminance. Not finite counts as
    0.
    """
    x, y = (np.nan_to_num(image, posinf=0.0, neginf=0.0) for image in (a, b))
    maps = []
    for scale in range(scales_of(a.shape)):
        if scale:
            x, y = _halved(x), _halved(y)
        contrast, luminance = _contrast_and_luminance(x, y, data_range)
        maps.append(contrast)
    maps[-1] = maps[-1] * luminance
    return tuple(maps)


def similarity_within(maps: Sequence[Array], inside: NDArray[np.bool_]) -> float:
    """Average `similarity_maps` over a region (H, W) and multiply the scales.

    NaN where the region does not reach the coarsest scale: halving drops an odd border.
    """
    exponents = np.array(_EXPONENTS[: len(maps)])
    exponents *= sum(_EXPONENTS) / exponents.sum()
    weight = inside.astype(np.float64)
    rim = WINDOW // 2
    value = 1.0
    for scale, (local, exponent) in enumerate(zip(maps, exponents, strict=True)):
        if scale:
            weight = _halved(weight)
        if inside.all():
            mean = float(local[rim:-rim, rim:-rim].mean())
        elif weight.any():
            mean = float(np.average(local, weights=weight))
        else:
            return float("nan")
        value *= max(mean, 0.0) ** float(exponent)
    return value


def _contrast_and_luminance(x: Array, y: Array, data_range: float) -> tuple[Array, ...]:
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    variances = _blurred(x * x) - mean_x**2 + _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return contrast, luminance


def _blurred(image: Array) -> Array:
    return np.asarray(gaussian_filter(image, _SIGMA, radius=WINDOW // 2))


def _halved(image: Array) -> Array:
    height, width = (n // 2 * 2 for n in image.shape)
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))
