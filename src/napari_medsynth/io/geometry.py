"""SimpleITK image <-> Volume, and the napari layer transform of a volume.

The world is LPS millimetres with axes (S, P, L): SimpleITK's own (L, P, S), reversed.
Reorienting permutes and flips axes only, so no voxel value changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

AXIS_LABELS = ("S", "P", "L")
_REVERSE = np.eye(3)[::-1]


def volume_from_itk(image: sitk.Image, **fields: Any) -> Volume:
    """Turn a 3D SimpleITK image, scalar or vector, into a `Volume` along LPS axes."""
    import SimpleITK as sitk

    code = orientation_of(image)
    lps = sitk.DICOMOrient(image, "LPS")
    array = sitk.GetArrayFromImage(lps)
    channels_first = np.moveaxis(array, -1, 0) if array.ndim == 4 else array[np.newaxis]
    matrix = np.reshape(lps.GetDirection(), (3, 3))
    return Volume(
        data=np.ascontiguousarray(channels_first, dtype=np.float32),
        spacing=lps.GetSpacing()[::-1],
        origin=lps.GetOrigin()[::-1],
        direction=_REVERSE @ matrix @ _REVERSE,
        orientation=code,
        **fields,
    )


def itk_from_volume(volume: Volume, *, orientation: str | None = None) -> sitk.Image:
    """Turn a `Volume` into a SimpleITK image oriented as `orientation`.

    Without `orientation`, the axes are those of the file that the volume came from.
    """
    import SimpleITK as sitk

    is_vector = volume.data.shape[0] > 1
    array = np.moveaxis(volume.data, 0, -1) if is_vector else volume.data[0]
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.origin[::-1])
    image.SetDirection((_REVERSE @ volume.direction @ _REVERSE).ravel().tolist())
    return sitk.DICOMOrient(image, orientation or volume.orientation)


def orientation_of(image: sitk.Image) -> str:
    """Give the axis code ("LPS", "RAS", ...) that is nearest to the image's direction."""
    import SimpleITK as sitk

    code: str = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        image.GetDirection()
    )
    return code


def obliquity(volume: Volume) -> float:
    """Give the largest angle [degree] between an array axis and its LPS axis."""
    cosines = np.clip(np.diag(volume.direction), -1.0, 1.0)
    return float(np.degrees(np.arccos(cosines.min())))


def layer_transform(volume: Volume) -> dict[str, Any]:
    """Give the napari keyword arguments that place `volume` in the LPS world.

    Scale and translate only: napari ignores a rotation in 2D and fails on permuting
    affines, so the true direction of an oblique scan travels in the layer's metadata.
    """
    return {
        "scale": volume.spacing,
        "translate": volume.origin,
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
    }


def same_grid(a: Volume, b: Volume, *, tolerance: float = 1e-3) -> bool:
    """Tell whether two volumes have the same voxels, to `tolerance` of a voxel."""
    if a.shape != b.shape:
        return False
    voxel = np.asarray(a.spacing)
    return (
        np.allclose(a.spacing, b.spacing, rtol=tolerance)
        and np.allclose(a.direction, b.direction, atol=tolerance)
        and bool(np.all(np.abs(np.subtract(a.origin, b.origin)) <= tolerance * voxel))
    )
