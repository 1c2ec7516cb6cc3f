"""Array and attributes of a napari image layer -> Volume. Needs no napari."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .geometry import origin_from_translate
from .volume import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .volume import Vector

    Attributes = Mapping[str, Any]

ATTRIBUTES = (
    "name",
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "metadata",
    "rgb",
    "multiscale",
)


def volume_from_layer_data(
    data: Any, meta: Attributes, *, modality: str = ""
) -> Volume:
    """Give the `Volume` that an image layer shows, along LPS axes.

    The world of a layer of another reader is taken to be (S, P, L) in its own units,
    or in mm where it has none; a negative scale flips the data, so that no voxel moves.

    Parameters
    ----------
    data : array or sequence of arrays
        (Y, X) or (Z, Y, X), of any array type; a sequence for a multiscale image, whose
        finest level is read.
    meta : mapping
        Layer attributes by their napari names, those of `ATTRIBUTES` at most.
    modality : str, optional
        For a layer whose metadata names none.

    Raises
    ------
    VolumeError
        If the layer is in colour, complex, more than 3D, rotated or sheared.
    """
    array = finest_level(data, meta)
    scale, translate = placement(array.ndim, meta)
    corner = first_corner(scale, translate, array.shape)
    known = meta.get("metadata", {}).get("medsynth", {})
    direction = np.array(known.get("direction", np.eye(3)), dtype=float)
    flips = tuple(slice(None, None, -1 if step < 0 else 1) for step in scale)
    stack = np.asarray(array)
    stack = stack.reshape((1,) * (3 - stack.ndim) + stack.shape[-3:])[flips]
    return Volume(
        np.ascontiguousarray(stack, dtype=np.float32)[np.newaxis],
        spacing=vector(np.abs(scale)),
        origin=origin_from_translate(corner, direction),
        direction=direction,
        orientation=known.get("orientation", "LPS"),
        modality=known.get("modality") or modality,
        name=meta.get("name", ""),
        metadata=_volume_metadata(meta, str(array.dtype)),
    )


def finest_level(data: Any, meta: Attributes) -> Any:
    """Give the finest array of an image layer, checked but not loaded.

    Raises
    ------
    VolumeError
        If it is in colour, complex or more than 3D.
    """
    name = meta.get("name", "the layer")
    if meta.get("rgb"):
        raise VolumeError(
            f"MedSynth needs a grey image, but {name!r} is in colour: "
            "split its channels first (right-click the layer > Split RGB)."
        )
    array = data[0] if meta.get("multiscale") else data
    if array.ndim < 2 or any(n > 1 for n in array.shape[:-3]):
        raise VolumeError(
            f"MedSynth needs a 2D or 3D image, but {name!r} has {array.ndim} "
            "dimensions: split the stack first (right-click the layer > Split Stack)."
        )
    if np.dtype(array.dtype).kind == "c":
        raise VolumeError(
            f"MedSynth needs real numbers, but {name!r} is complex: "
            "take its magnitude first."
        )
    return array


def placement(
    n: int, meta: Attributes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give signed voxel size and position of voxel 0 of the last three axes [mm].

    Raises
    ------
    VolumeError
        If the layer of `n` dimensions is rotated or sheared.
    """
    affine = np.asarray(meta.get("affine", np.eye(n + 1)), dtype=float)
    linear = affine[:n, :n]
    shear = np.asarray(meta.get("shear", 0.0), dtype=float)
    is_straight = (
        np.allclose(meta.get("rotate", np.eye(n)), np.eye(n), atol=1e-6)
        and np.allclose(shear, np.eye(n) if shear.ndim == 2 else 0, atol=1e-6)
        and np.allclose(linear, np.diag(np.diag(linear)), atol=1e-6)
    )
    if not is_straight:
        raise VolumeError(
            "MedSynth needs an image along the axes, but "
            f"{meta.get('name', 'the layer')!r} is rotated or sheared: open the file "
            "with the MedSynth reader, or reset its transform."
        )
    stretch, lead = np.diag(linear), max(3 - n, 0)
    scale = stretch * np.asarray(meta.get("scale", np.ones(n)), dtype=float)
    moved = stretch * np.asarray(meta.get("translate", np.zeros(n)), dtype=float)
    per_unit = mm_per_unit(meta)
    return (
        np.concatenate([np.ones(lead), scale[-3:]]) * per_unit,
        np.concatenate([np.zeros(lead), (moved + affine[:n, n])[-3:]]) * per_unit,
    )


def first_corner(
    scale: NDArray[np.float64],
    translate: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Give the position of voxel 0 once the axes of negative scale are flipped [mm]."""
    sizes = np.ones(3)
    sizes[3 - min(len(shape), 3) :] = shape[-3:]
    corner: NDArray[np.float64] = translate + np.minimum(scale, 0) * (sizes - 1)
    return corner


def mm_per_unit(meta: Attributes) -> NDArray[np.float64]:
    """Give the length [mm] of one world unit of three axes; a pixel counts as 1 mm."""
    lengths = [_millimetres(unit) for unit in tuple(meta.get("units") or ())[-3:]]
    return np.array([1.0] * (3 - len(lengths)) + lengths)


def vector(values: NDArray[np.float64]) -> Vector:
    """Give three numbers as plain floats."""
    z, y, x = values.tolist()
    return z, y, x


def _millimetres(unit: Any) -> float:
    """Length of a unit of napari (a pint unit) or of its name."""
    if isinstance(unit, str):
        from pint import get_application_registry  # napari's own

        unit = get_application_registry().Unit(unit)
    length = 1 * unit
    return float(length.to("mm").magnitude) if length.check("[length]") else 1.0


def _volume_metadata(meta: Attributes, dtype: str) -> dict[str, Any]:
    known = dict(meta.get("metadata", {}).get("medsynth", {}))
    if "direction" not in known:
        known["dtype"] = known.get("dtype") or dtype
        known["warnings"] = [
            f"{meta.get('name', 'the layer')!r} was not opened by MedSynth: its axes "
            "are taken to be superior, posterior, left."
        ]
    keys = ("path", "dtype", "warnings", "synthetic", "provenance")
    return {key: known[key] for key in keys if known.get(key)}
