"""PSNR, SSIM, MAE, RMSE and NMSE with a declared data range and an optional mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.metrics import structural_similarity

from napari_medsynth.errors import VolumeError

from .intensity import fit_normalisation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_medsynth.io import Volume

WINDOW = 11  # pixels that a Gaussian of 1.5 covers in scikit-image


def psnr(
    a: ArrayLike,
    b: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Give the peak signal-to-noise ratio [dB]; infinite for equal images.

    Parameters
    ----------
    a, b : array_like
        Equal shapes, intensities that span `data_range`.
    mask : array_like of bool, optional
        Voxels that count; all finite ones without it.
    data_range : float
        Distance of the largest and the smallest possible intensity.

    Raises
    ------
    ValueError
        If the shapes differ, the range is not positive or no voxel counts.
    """
    x, y, counted = checked_pair(a, b, mask, data_range)
    error = float(np.mean(np.square(x[counted] - y[counted])))
    return float("inf") if error == 0 else 10.0 * float(np.log10(data_range**2 / error))


def mae(
    a: ArrayLike,
    b: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Give the mean absolute error as a share of `data_range`; arguments as `psnr`."""
    x, y, counted = checked_pair(a, b, mask, data_range)
    return float(np.mean(np.abs(x[counted] - y[counted]))) / data_range


def rmse(
    a: ArrayLike,
    b: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Give the root mean squared error as a share of `data_range`; as `psnr`."""
    x, y, counted = checked_pair(a, b, mask, data_range)
    return float(np.sqrt(np.mean(np.square(x[counted] - y[counted])))) / data_range


def nmse(a: ArrayLike, b: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """Give the squared error as a share of the energy of `b`, the real image [1]_.

    Unlike the others it depends on what 0 means: say how images were scaled.

    Parameters
    ----------
    a, b : array_like
        Equal shapes.
    mask : array_like of bool, optional
        Voxels that count; all finite ones without it.

    Raises
    ------
    ValueError
        If the shapes differ, no voxel counts, or `b` is 0 wherever it counts.

    References
    ----------
    .. [1] J. Zbontar et al., "fastMRI: an open dataset and benchmarks for accelerated
       MRI", arXiv:1811.08839, 2018, equation 14.
    """
    x, y, counted = checked_pair(a, b, mask, 1.0)
    energy = float(np.sum(np.square(y[counted])))
    if energy == 0:
        raise ValueError("NMSE needs a real image that is not 0 everywhere.")
    return float(np.sum(np.square(x[counted] - y[counted]))) / energy


def ssim(
    a: ArrayLike,
    b: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    data_range: float = 1.0,
) -> float:
    """Give the mean structural similarity [1]_ of slices; arguments as `psnr`.

    Arrays (..., H, W) are compared slice by slice, H and W at least 11, with the
    paper's Gaussian window of 1.5 pixels; the local values of the voxels that count are
    averaged.

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to
       structural similarity", IEEE TIP 13(4), 2004.
       https://doi.org/10.1109/TIP.2003.819861
    """
    x, y, counted = checked_pair(a, b, mask, data_range)
    if x.ndim < 2 or min(x.shape[-2:]) < WINDOW:
        raise ValueError(
            f"SSIM needs slices of {WINDOW} pixels or more, got {x.shape}."
        )
    plane = x.shape[-2:]
    total = 0.0
    slices = (array.reshape(-1, *plane) for array in (x, y, counted))
    for one, other, inside in zip(*slices, strict=True):
        if inside.any():
            total += float(ssim_map(one, other, data_range)[inside].sum())
    return total / int(counted.sum())


def compare(synthetic: Volume, truth: Volume) -> dict[str, float]:
    """Measure a synthesis against the real image of the same grid.

    Each is mapped to [0, 1] by its own percentile normalisation (`fit_normalisation`),
    because the unit of a synthesis is arbitrary, and compared inside the foreground of
    `truth` (`foreground`).

    Returns
    -------
    dict
        ``psnr`` [dB], ``ssim``, ``mae`` (share of the range), and ``foreground``, the
        share of the voxels that counted.

    Raises
    ------
    VolumeError
        If the shapes differ, the slices are too small, or `truth` is empty.
    """
    if synthetic.data.shape != truth.data.shape:
        raise VolumeError(
            "A synthesis is compared on the grid of the real image: got shapes "
            f"{synthetic.shape} and {truth.shape}; resample one of them first."
        )
    mask = foreground(truth.data)
    try:
        a, b = (_unit_range(volume.data) for volume in (synthetic, truth))
        return {
            "psnr": psnr(a, b, mask=mask),
            "ssim": ssim(a, b, mask=mask),
            "mae": mae(a, b, mask=mask),
            "foreground": float(mask.mean()),
        }
    except ValueError as err:
        raise VolumeError(f"These images cannot be compared: {err}") from err


def foreground(array: ArrayLike) -> NDArray[np.bool_]:
    """Tell the subject from the air: above 5 % of the percentile range, holes filled.

    Parameters
    ----------
    array : array_like
        (..., H, W), any unit; holes are filled slice by slice.
    """
    bright = _unit_range(array) > 0.05
    slices = bright.reshape(-1, *bright.shape[-2:])
    return np.stack([binary_fill_holes(slice_) for slice_ in slices]).reshape(
        bright.shape
    )


def _unit_range(array: ArrayLike) -> NDArray[np.float32]:
    scaled = fit_normalisation(array, {"kind": "percentile"}).forward(array)
    scaled += np.float32(1.0)
    scaled *= np.float32(0.5)
    return scaled


def ssim_map(
    a: NDArray[np.float64], b: NDArray[np.float64], data_range: float
) -> NDArray[np.float64]:
    """Give the local values of `ssim` for one slice (H, W); not finite counts as 0."""
    finite = (np.nan_to_num(image, posinf=0.0, neginf=0.0) for image in (a, b))
    _, local = structural_similarity(
        *finite,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(local)


def checked_pair(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None, data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Give both images as float64 and the voxels that count, or a ValueError."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(
            f"Two images of one shape are needed, got {x.shape}, {y.shape}."
        )
    if not data_range > 0:
        raise ValueError(f"The data range must be above 0, got {data_range}.")
    counted = np.isfinite(x) & np.isfinite(y)
    if mask is not None:
        counted &= np.broadcast_to(np.asarray(mask, dtype=bool), x.shape)
    if not counted.any():
        raise ValueError("No voxel to compare: the mask is empty.")
    return x, y, counted
