"""What every reader checks in the voxels, whatever the file format."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_medsynth.errors import VolumeError

LARGEST_BYTES = 64 * 2**30
SMALLEST_PLANE = 16
EXACT_FLOAT32 = 2**24
_MANY = 1_000_000


def check_size(shape: tuple[int, ...], itemsize: int, name: str) -> None:
    """Refuse a header that claims an impossible array, before memory is asked for."""
    claimed = math.prod(int(n) for n in shape) * max(itemsize, 1)
    if min(shape, default=0) < 1:
        raise VolumeError(f"{name} claims the size {_by(shape)}; it cannot be opened.")
    if claimed > LARGEST_BYTES:
        raise VolumeError(
            f"{name} claims {_by(shape)} voxels ({claimed / 2**30:.0f} GiB), more than"
            f" {LARGEST_BYTES // 2**30} GiB; its header is probably wrong."
        )


def voxel_warnings(array: np.ndarray, name: str) -> list[str]:
    """List what a user must know about the voxels.

    Parameters
    ----------
    array : ndarray
        Real voxels, shape (X, Y, Z), in the type in which they were read.
    name : str
        What to call the file.

    Returns
    -------
    list of str
        One sentence per finding.

    Raises
    ------
    VolumeError
        If no voxel is finite, or if a value does not fit float32.
    """
    finite, warnings = _finite_range(array, name)
    if finite is None:
        raise VolumeError(f"{name} holds no finite voxel (all are NaN or infinite).")
    low, high = finite
    if high == low:
        return [*warnings, f"{name} is constant: every voxel is {low:g}."]
    if sorted(array.shape)[-2] < SMALLEST_PLANE:
        warnings.append(
            f"{name} is only {_by(array.shape)} voxels, smaller than a network's patch."
        )
    if array.dtype.kind in "iu" and max(abs(low), abs(high)) > EXACT_FLOAT32:
        warnings.append(
            f"{name} holds {array.dtype.name} values up to {high:.6g}; above 16 777 216"
            " they are rounded to float32."
        )
    return warnings + _content_warnings(array, low, high, name)


def is_hounsfield(array: np.ndarray) -> bool:
    """Tell whether voxels must be CT [HU]: air near -1000 and nothing far below."""
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    return -4096 <= finite.min() <= -900 and 100 < finite.max() < 32768


def _finite_range(
    array: np.ndarray, name: str
) -> tuple[tuple[float, float] | None, list[str]]:
    """(lowest, highest) finite voxel, None if there is none, and what was found."""
    if array.dtype.kind not in "f":
        return (float(array.min()), float(array.max())), []
    is_finite = np.isfinite(array)
    n_bad = int(array.size - np.count_nonzero(is_finite))
    if n_bad == array.size:
        return None, []
    low = float(np.min(array, where=is_finite, initial=np.inf))
    high = float(np.max(array, where=is_finite, initial=-np.inf))
    if max(abs(low), abs(high)) > float(np.finfo(np.float32).max):
        raise VolumeError(
            f"{name} holds values up to {max(abs(low), abs(high)):.3g}, which float32"
            " cannot hold; rescale them."
        )
    warning = (
        f"{name} holds {n_bad} NaN or infinite voxels; models see background there."
    )
    return (low, high), [warning] if n_bad else []


def _content_warnings(
    array: np.ndarray, low: float, high: float, name: str
) -> list[str]:
    """Masks, label maps and lonely outliers."""
    values = np.unique(_sample(array))
    if values.size <= 2 and np.all((array == low) | (array == high)):
        return [f"{name} holds only two values: it looks like a mask, not an image."]
    if _is_whole(array, low, high) and _is_piecewise_constant(array):
        return [
            f"{name} looks like a label map ({values.size} values in flat regions), not"
            " an image."
        ]
    sample = np.abs(_sample(array)[np.isfinite(_sample(array))].astype(np.float64))
    usual = float(np.percentile(sample, 99.5)) if sample.size else 0.0
    peak = max(abs(low), abs(high))
    if usual > 0 and peak > 1000 * usual:
        return [
            f"{name} has outliers: the largest voxel is {peak:.3g}, 99.5 % are below"
            f" {usual:.3g}."
        ]
    return []


def _sample(array: np.ndarray) -> np.ndarray:
    """About a million voxels, spread over the array."""
    return array.ravel(order="K")[:: max(1, array.size // _MANY)]


def _is_whole(array: np.ndarray, low: float, high: float) -> bool:
    if high - low > 65535:
        return False
    if array.dtype.kind in "iub":
        return True
    sample = _sample(array)
    return bool(np.isfinite(sample).all() and np.all(sample == np.round(sample)))


def _is_piecewise_constant(array: np.ndarray) -> bool:
    """Most neighbours inside the object are equal, as in no acquired image."""
    axis = int(np.argmax(array.shape))
    moved = np.moveaxis(array, axis, 0)
    half = max(1, min(len(moved), _MANY * len(moved) // array.size) // 2)
    middle = moved[max(0, len(moved) // 2 - half) : len(moved) // 2 + half]
    left, right = middle[:-1], middle[1:]
    inside = (left != array.min()) & (right != array.min())
    n_inside = int(np.count_nonzero(inside))
    if n_inside < 50:
        return False
    return int(np.count_nonzero((left == right) & inside)) > 0.8 * n_inside


def _by(shape: Any) -> str:
    return " x ".join(str(int(n)) for n in shape)
