"""Array, affine and notes of one file -> checked `Volume`.

Every reader ends here, so that a sheared grid, an odd voxel or an RGB picture is
treated alike in all formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .checks import is_hounsfield, voxel_warnings
from .geometry import volume_from_itk
from .modality import modalities_in
from .source import Source

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .volume import Volume

MOST_VOLUMES = 16
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# A grid whose axes drift by less than this [voxel] over its whole length is straight.
_STRAIGHT_VOXELS = 0.25
_MOST_GROWTH = 20


def assemble(array: np.ndarray, affine: np.ndarray, source: Source) -> Volume:
    """Make a volume of an array and its affine.

    Parameters
    ----------
    array : ndarray
        Shape (X, Y, Z), real.
    affine : ndarray
        (4, 4), index (x, y, z) to LPS [mm].
    source : Source
        Its warnings end in the volume's metadata.

    Raises
    ------
    VolumeError
        If the affine is singular, or the voxels are of no use (`voxel_warnings`).
    """
    title = source.title
    warnings = [*source.warnings, *voxel_warnings(array, title)]
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise VolumeError(f"{title} has an impossible affine; fix its header.")
    modality = source.modality or ("CT" if is_hounsfield(array) else "")
    angle = shear_angle(array.shape, affine)
    if angle:
        array, affine = straighten(array, affine, title=title)
        warnings.append(
            f"The grid of {title} is sheared by {angle:.1f} degrees (a tilted gantry?);"
            " it was resampled (linear) onto a straight grid in the same place."
        )
    metadata: Mapping[str, Any] = {
        "path": str(source.path),
        "dtype": source.dtype or array.dtype.name,
        "warnings": warnings,
        **source.extra,
    }
    return volume_from_itk(
        _image(array, affine),
        modality=modality,
        name=source.name,
        metadata=metadata,
    )


def assemble_stack(
    stack: np.ndarray, affine: np.ndarray, source: Source
) -> list[Volume]:
    """Make one volume of each 3D array of `stack`, shape (X, Y, Z, N).

    Raises
    ------
    VolumeError
        If there are more than `MOST_VOLUMES`: a time series, not a set of contrasts.
    """
    count = stack.shape[3]
    if count == 1:
        return [assemble(stack[..., 0], affine, source)]
    if count > MOST_VOLUMES:
        raise VolumeError(
            f"{source.title} holds {count} volumes (a time series?); save the one"
            " that you want as a 3D file."
        )
    named = modalities_in(source.name)
    labels = named if len(named) == count else [""] * count
    order = f" in the order of its name, {', '.join(named)}" if any(labels) else ""
    source.warn(
        f"{source.title} holds {count} volumes; they were opened one by one{order}."
    )
    return [
        assemble(
            stack[..., i], affine, source.renamed(f"{source.name} [{i + 1}]", label)
        )
        for i, label in enumerate(labels)
    ]


def grey(colour: np.ndarray, source: Source) -> np.ndarray:
    """Turn (..., 3 or more) colour channels into one, and say so if colour is lost."""
    red, green, blue = (colour[..., i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    source.warn(f"{source.title} is a colour picture; it was converted to grey.")
    result: np.ndarray = colour[..., :3].astype(np.float32) @ _LUMINANCE
    return result


def shear_angle(shape: tuple[int, ...], affine: np.ndarray) -> float:
    """Give the shear [degree] of a grid, 0 if it moves no voxel noticeably."""
    upper = _triangle(affine)[1]
    extent = np.maximum(np.asarray(shape[:3]) - 1, 0)
    drift = np.abs(np.triu(upper, 1)) * extent / np.diag(upper)[:, np.newaxis]
    if drift.max() < _STRAIGHT_VOXELS:
        return 0.0
    sideways = [np.linalg.norm(upper[:i, i]) for i in range(3)]
    return float(np.degrees(np.arctan2(sideways, np.diag(upper)).max()))


def straighten(
    array: np.ndarray, affine: np.ndarray, *, title: str = "the image"
) -> tuple[np.ndarray, np.ndarray]:
    """Resample a sheared grid linearly onto a straight one that covers all of it.

    Parameters
    ----------
    array : ndarray
        Shape (X, Y, Z).
    affine : ndarray
        (4, 4), index to LPS [mm]; the first axis keeps its direction.
    title : str
        What a message calls it.

    Returns
    -------
    array, affine : ndarray
        Voxels without a source get the lowest value.

    Raises
    ------
    VolumeError
        If the straight grid would be many times larger.
    """
    import SimpleITK as sitk

    axes, upper = _triangle(affine)
    corners = np.indices((2, 2, 2)).reshape(3, -1) * (
        np.array(array.shape)[:, np.newaxis] - 1
    )
    low, high = (upper @ corners).min(axis=1), (upper @ corners).max(axis=1)
    spacing = np.diag(upper)
    cells = np.ceil((high - low) / spacing - 1e-6) + 1
    if not np.prod(cells) <= _MOST_GROWTH * array.size:
        raise VolumeError(
            f"The grid of {title} is sheared so far that straightening would multiply"
            f" its size by {np.prod(cells) / array.size:.3g}; fix its header."
        )
    origin = affine[:3, 3] + axes @ low
    lowest = float(array[np.isfinite(array)].min())
    moving = _image(array, np.eye(4))
    inverse = np.linalg.inv(affine)
    to_index = sitk.AffineTransform(3)
    to_index.SetMatrix(inverse[:3, :3].ravel().tolist())
    to_index.SetTranslation(inverse[:3, 3].tolist())
    result = sitk.Resample(
        moving,
        cells.astype(int).tolist(),
        to_index,
        sitk.sitkLinear,
        origin.tolist(),
        spacing.tolist(),
        axes.ravel().tolist(),
        lowest,
        sitk.sitkFloat32,
    )
    straight = np.eye(4)
    straight[:3, :3], straight[:3, 3] = axes * spacing, origin
    return sitk.GetArrayFromImage(result).transpose(2, 1, 0), straight


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep ITK's C++ warnings off the terminal where we check the matter ourselves."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _triangle(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal axes and the upper triangle, diagonal above 0, of an affine."""
    axes, upper = np.linalg.qr(affine[:3, :3])
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    return axes * signs, upper * signs[:, np.newaxis]


def _image(array: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """SimpleITK image of an (X, Y, Z) array on a straight grid."""
    import SimpleITK as sitk

    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    matrix = affine[:3, :3]
    spacing = np.linalg.norm(matrix, axis=0)
    left, _, right = np.linalg.svd(matrix / spacing)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((left @ right).ravel().tolist())
    return image
