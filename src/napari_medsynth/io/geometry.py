"""SimpleITK image <-> Volume, and the napari layer transform of a volume.

The world is LPS millimetres with axes (S, P, L): SimpleITK's own (L, P, S), reversed.
Reorienting permutes and flips axes only, so no voxel value changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .volume import Vector, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    import SimpleITK as sitk
    from numpy.typing import NDArray

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

    return sitk.DICOMOrient(lps_image(volume), orientation or volume.orientation)


def lps_image(volume: Volume) -> sitk.Image:
    """Turn a `Volume` into a SimpleITK image with the volume's own axes (one copy)."""
    import SimpleITK as sitk

    is_vector = volume.data.shape[0] > 1
    array = np.moveaxis(volume.data, 0, -1) if is_vector else volume.data[0]
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.origin[::-1])
    image.SetDirection((_REVERSE @ volume.direction @ _REVERSE).ravel().tolist())
    return image


def orientation_of(image: sitk.Image) -> str:
    """Give the axis code ("LPS", "RAS", ...) nearest to the image's direction."""
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
    affines. An oblique scan is shown in the world turned about the isocentre until its
    axes are straight, so that volumes of the same obliquity stay in register; its true
    direction travels in the layer's metadata, and `origin_from_translate` goes back.
    """
    turned = volume.direction.T @ np.asarray(volume.origin)
    return {
        "scale": volume.spacing,
        "translate": tuple(turned.tolist()),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
    }


def origin_from_translate(
    translate: Sequence[float] | NDArray[np.float64], direction: NDArray[np.float64]
) -> Vector:
    """Give the origin (S, P, L) [mm] of a layer that `layer_transform` has placed."""
    s, p, left = (np.asarray(direction) @ np.asarray(translate, float)).tolist()
    return s, p, left


def layer_metadata(volume: Volume) -> dict[str, Any]:
    """Give what a layer keeps of `volume` under ``layer.metadata["medsynth"]``.

    Plain data (JSON): modality, orientation, direction (3 lists of 3), path, dtype,
    warnings, synthetic, provenance.
    """
    known = volume.metadata
    return {
        "modality": volume.modality,
        "orientation": volume.orientation,
        "direction": volume.direction.tolist(),
        "path": str(known.get("path", "")),
        "dtype": str(known.get("dtype", "")),
        "warnings": volume.warnings,
        "synthetic": volume.is_synthetic,
        "provenance": dict(known.get("provenance", {})),
    }


def layer_tuple(volume: Volume, **extra: Any) -> tuple[Any, dict[str, Any], str]:
    """Give the (data, keyword arguments, "image") tuple that napari makes a layer of.

    Parameters
    ----------
    volume : Volume
        One channel gives data (Z, Y, X); more give (C, Z, Y, X) and
        ``channel_axis=0``, which napari splits into one layer per channel.
    **extra
        Further arguments of ``add_image`` (contrast_limits, colormap, ...); they win.
        ``metadata`` is added to that of the volume.
    """
    metadata = {"medsynth": layer_metadata(volume), **extra.pop("metadata", {})}
    options = {"name": volume.name or volume.modality or "image", "metadata": metadata}
    options |= layer_transform(volume) | extra
    n_channels = volume.data.shape[0]
    if n_channels == 1:
        return volume.data[0], options, "image"
    if isinstance(options["name"], str):
        options["name"] = [f"{options['name']} [{i}]" for i in range(n_channels)]
    return volume.data, options | {"channel_axis": 0}, "image"


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
