"""What a denoiser took away: the residual, how strong it is where, and overall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError
from napari_medsynth.io.geometry import same_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

__all__ = ["noise_level", "noise_map", "residual"]

_MAD_OF_A_NORMAL = 0.6745  # median of |x| of a standard normal x


def residual(noisy: Volume, clean: Volume) -> Volume:
    """Give what was taken away: noisy minus clean.

    Parameters
    ----------
    noisy, clean : Volume
        (1, Z, Y, X) on one grid, in one unit.

    Returns
    -------
    Volume
        float32, in their unit; 0 where one of them is not finite. Without modality:
        it is no image of anatomy. Its origin is that of `clean`.

    Raises
    ------
    VolumeError
        If they are on different grids.
    """
    if noisy.data.shape != clean.data.shape or not same_grid(noisy, clean):
        raise VolumeError(
            "A residual needs two images on one grid, got "
            f"{_grid(noisy)} and {_grid(clean)}."
        )
    taken = noisy.data.astype(np.float32) - clean.data
    return _derived(clean, np.where(np.isfinite(taken), taken, 0), "residual")


def noise_map(residual: Volume, *, size: int = 7) -> Volume:
    """Give the local standard deviation of a residual.

    Parameters
    ----------
    residual : Volume
        (1, Z, Y, X); see `residual`.
    size : int
        Side of the square window in axial slices [voxel], odd. Each slice by itself:
        scanners change the dose along Z.

    Returns
    -------
    Volume
        float32, in the unit of `residual`.

    Raises
    ------
    ValueError
        If the size is even or below 3.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"size must be odd and at least 3, got {size}")
    spread = np.empty(residual.data.shape, np.float32)
    for made, slice_ in zip(spread[0], residual.data[0], strict=True):
        made[...] = _local_deviation(slice_, size)
    return _derived(residual, spread, "noise")


def noise_level(volume: Volume) -> float:
    """Estimate the standard deviation of the noise in an image, without a clean one.

    Parameters
    ----------
    volume : Volume
        (1, Z, Y, X), in-plane sides of at least 2.

    Returns
    -------
    float
        In the unit of `volume`; 0 if nothing varies.

    Notes
    -----
    Median of the diagonal details of a Haar wavelet in axial slices, divided by 0.6745
    [1]_. It sees white noise; smoothed noise, as in CT after a soft kernel, is
    underestimated. Blocks of four equal voxels (masked background) do not count, nor
    does what is darker than Otsu's threshold: nobody looks at the noise of air.

    References
    ----------
    .. [1] D. L. Donoho and I. M. Johnstone, "Ideal spatial adaptation by wavelet
       shrinkage", Biometrika 81(3), 1994. https://doi.org/10.1093/biomet/81.3.425
    """
    _, rows, columns = volume.shape
    image = volume.data[0, :, : rows // 2 * 2, : columns // 2 * 2].astype(np.float64)
    a, b = image[:, ::2, ::2], image[:, ::2, 1::2]
    c, d = image[:, 1::2, ::2], image[:, 1::2, 1::2]
    details = (a - b - c + d) / 2
    is_counted = np.isfinite(details) & ~((a == b) & (b == c) & (c == d))
    if not is_counted.any():
        return 0.0
    means = (a + b + c + d) / 4
    is_counted &= means >= _threshold(means[is_counted])
    return float(np.median(np.abs(details[is_counted]))) / _MAD_OF_A_NORMAL


def _threshold(values: NDArray[np.float64]) -> float:
    """Give the value that divides dark from bright; the lowest where all are alike."""
    from skimage.filters import threshold_otsu

    low, high = float(values.min()), float(values.max())
    return float(threshold_otsu(values)) if low < high else low


def _local_deviation(image: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter

    centred = image.astype(np.float64) - float(image.mean(dtype=np.float64))
    mean = uniform_filter(centred, size, mode="reflect")
    square = uniform_filter(np.square(centred), size, mode="reflect")
    deviation: NDArray[np.float64] = np.sqrt(np.clip(square - np.square(mean), 0, None))
    return deviation


def _derived(origin: Volume, data: NDArray[np.floating], what: str) -> Volume:
    kept = {k: origin.metadata[k] for k in _KEPT if k in origin.metadata}
    name = f"{origin.name}: {what}" if origin.name else what
    data = data.astype(np.float32)
    return origin.with_data(data, modality="", name=name, metadata=kept)


_KEPT = ("synthetic", "provenance")


def _grid(volume: Volume) -> str:
    sides = " x ".join(str(n) for n in volume.shape)
    return f"{sides} voxels of {' x '.join(f'{s:g}' for s in volume.spacing)} mm"
