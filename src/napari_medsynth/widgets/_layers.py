"""napari image layer <-> Volume, and the names and places of output layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import origin_from_translate
from napari_medsynth.io.modality import guess_modality

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_medsynth.io.volume import Vector


def volume_from_layer(layer: Layer) -> Volume:
    """Give the `Volume` that an image layer shows, along LPS axes.

    The world of a layer of another reader is taken to be (S, P, L) in its own units,
    or in mm where it has none; a negative scale flips the data, so that no voxel moves.

    Parameters
    ----------
    layer : Layer
        A 2D (Y, X) or 3D (Z, Y, X) image layer; also a dask, multiscale or viewer-proxy
        one. The finest level of a multiscale image is read.

    Raises
    ------
    VolumeError
        If the layer is not such an image, or is rotated or sheared.
    """
    scale, translate = _placement(layer)
    array = _array(layer)
    flips = tuple(slice(None, None, -1 if step < 0 else 1) for step in scale)
    known = layer.metadata.get("medsynth", {})
    direction = np.array(known.get("direction", np.eye(3)), dtype=float)
    start = _first_corner(scale, translate, array.shape)
    return Volume(
        np.ascontiguousarray(array[flips], dtype=np.float32)[np.newaxis],
        spacing=_vector(np.abs(scale)),
        origin=origin_from_translate(start, direction),
        direction=direction,
        orientation=known.get("orientation", "LPS"),
        modality=layer_modality(layer),
        name=layer.name,
        metadata=_volume_metadata(layer),
    )


def like(layer: Layer) -> dict[str, Any]:
    """Give the arguments of ``add_image`` that lay a result over `layer`.

    They fit an array (Z, Y, X) on the grid of ``volume_from_layer(layer)``: scale,
    translate, units and axis_labels. The units are those of the layer, because napari
    drops the units of all layers when two disagree.

    Raises
    ------
    VolumeError
        As `volume_from_layer`.
    """
    scale, translate = _placement(layer)
    start = _first_corner(scale, translate, _level_0(layer).shape)
    lead = 3 - min(layer.ndim, 3)
    per_unit = _mm_per_unit(layer)
    units = tuple(layer.units)[-3:]
    labels = tuple(layer.axis_labels)[-3:]
    return {
        "scale": _vector(np.abs(scale) / per_unit),
        "translate": _vector(start / per_unit),
        "units": units[:1] * lead + units,
        "axis_labels": ("S",) * lead + labels,
    }


def layer_modality(layer: Layer) -> str:
    """Give "T1", "FLAIR", ...: from the layer's metadata, else from its name."""
    known: str = layer.metadata.get("medsynth", {}).get("modality", "")
    return known or guess_modality(layer.name)


def unique_name(viewer: Any, name: str) -> str:
    """Give `name`, or "name [2]", "name [3]", ... if a layer has it already."""
    taken = {layer.name for layer in viewer.layers}
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} [{number}]"
    return candidate


def _level_0(layer: Layer) -> Any:
    """The finest data of an image layer, any array type, checked but not loaded."""
    if not isinstance(layer, Image):
        kind = type(layer).__name__.lower()
        raise VolumeError(
            f"MedSynth needs an image layer, but {layer.name!r} is a {kind} layer: "
            "choose an image."
        )
    if layer.rgb:
        raise VolumeError(
            f"MedSynth needs a grey image, but {layer.name!r} is in colour: "
            "split its channels first (right-click the layer > Split RGB)."
        )
    data = layer.data[0] if layer.multiscale else layer.data
    if data.ndim not in (2, 3) and any(n > 1 for n in data.shape[:-3]):
        raise VolumeError(
            f"MedSynth needs a 2D or 3D image, but {layer.name!r} has {data.ndim} "
            "dimensions: split the stack first (right-click the layer > Split Stack)."
        )
    if np.dtype(data.dtype).kind == "c":
        raise VolumeError(
            f"MedSynth needs real numbers, but {layer.name!r} is complex: "
            "take its magnitude first."
        )
    return data


def _array(layer: Layer) -> NDArray[Any]:
    """The layer's data as numpy (Z, Y, X)."""
    array = np.asarray(_level_0(layer))
    return array.reshape((1,) * (3 - array.ndim) + array.shape[-3:])


def _placement(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed voxel size and position of voxel 0 of the three axes [mm]."""
    _level_0(layer)
    n = layer.ndim
    affine = np.asarray(layer.affine.affine_matrix, dtype=float)
    linear = affine[:n, :n]
    shear = np.asarray(layer.shear, dtype=float)
    is_straight = (
        np.allclose(layer.rotate, np.eye(n), atol=1e-6)
        and np.allclose(shear, np.eye(n) if shear.ndim == 2 else 0, atol=1e-6)
        and np.allclose(linear, np.diag(np.diag(linear)), atol=1e-6)
    )
    if not is_straight:
        raise VolumeError(
            f"MedSynth needs an image along the axes, but {layer.name!r} is rotated or "
            "sheared: open the file with the MedSynth reader, or reset its transform."
        )
    stretch = np.diag(linear)
    scale = stretch * np.asarray(layer.scale, dtype=float)
    translate = stretch * np.asarray(layer.translate, dtype=float) + affine[:n, n]
    lead = max(3 - n, 0)
    per_unit = _mm_per_unit(layer)
    return (
        np.concatenate([np.ones(lead), scale[-3:]]) * per_unit,
        np.concatenate([np.zeros(lead), translate[-3:]]) * per_unit,
    )


def _first_corner(
    scale: NDArray[np.float64],
    translate: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Position of voxel 0 once the axes of negative scale are flipped [mm]."""
    sizes = np.ones(3)
    sizes[3 - min(len(shape), 3) :] = shape[-3:]
    corner: NDArray[np.float64] = translate + np.minimum(scale, 0) * (sizes - 1)
    return corner


def _mm_per_unit(layer: Layer) -> NDArray[np.float64]:
    """Length [mm] of one world unit of the three axes; a pixel counts as 1 mm."""
    units = tuple(layer.units)[-3:]
    lengths = [
        float((1 * unit).to("mm").magnitude) if (1 * unit).check("[length]") else 1.0
        for unit in units
    ]
    return np.array([1.0] * (3 - len(lengths)) + lengths)


def _volume_metadata(layer: Layer) -> dict[str, Any]:
    known = dict(layer.metadata.get("medsynth", {}))
    if not known:
        known["dtype"] = str(layer.dtype)
        known["warnings"] = [
            f"{layer.name!r} was not opened by MedSynth: its axes are taken to be "
            "superior, posterior, left."
        ]
    keys = ("path", "dtype", "warnings", "synthetic", "provenance")
    return {key: known[key] for key in keys if known.get(key)}


def _vector(values: NDArray[np.float64]) -> Vector:
    z, y, x = values.tolist()
    return z, y, x
