"""napari image layer <-> Volume, and the names and places of output layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import layer_data
from napari_medsynth.io.geometry import layer_transform
from napari_medsynth.io.layer_data import volume_from_layer_data
from napari_medsynth.io.modality import guess_modality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Layer

    from napari_medsynth.io import Volume


def volume_from_layer(layer: Layer) -> Volume:
    """Give the `Volume` that an image layer shows, along LPS axes.

    Parameters
    ----------
    layer : Layer
        A 2D (Y, X) or 3D (Z, Y, X) image layer of any reader, also a dask, multiscale
        or viewer-proxy one: see `volume_from_layer_data`.

    Raises
    ------
    VolumeError
        If the layer is not such an image, or is rotated or sheared.
    """
    meta = _attributes(layer)
    return volume_from_layer_data(layer.data, meta, modality=layer_modality(layer))


def volume_later(layer: Layer) -> Callable[[], Volume]:
    """Give a function that makes ``volume_from_layer(layer)`` in a worker thread.

    What the layer says of itself is read now; reading and turning the voxels, which
    takes long for large or lazy arrays, is what waits.

    Raises
    ------
    VolumeError
        If the layer is no image; the function raises as `volume_from_layer`.
    """
    meta, modality = _attributes(layer), layer_modality(layer)
    return partial(volume_from_layer_data, layer.data, meta, modality=modality)


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
    meta = _attributes(layer)
    array = layer_data.finest_level(layer.data, meta)
    scale, translate = layer_data.placement(array.ndim, meta)
    corner = layer_data.first_corner(scale, translate, array.shape)
    per_unit = layer_data.mm_per_unit(meta)
    lead = max(3 - array.ndim, 0)
    units = tuple(layer.units)[-3:]
    return {
        "scale": layer_data.vector(np.abs(scale) / per_unit),
        "translate": layer_data.vector(corner / per_unit),
        "units": units[:1] * lead + units,
        "axis_labels": ("S",) * lead + tuple(layer.axis_labels)[-3:],
    }


def over(volume: Volume, reference: Volume, place: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of ``add_image`` that lay `volume` over another grid's layer.

    Parameters
    ----------
    volume : Volume
        On any grid of the same world and obliquity: a coarse map, say.
    reference : Volume
        The volume of the layer, as `volume_from_layer` gives it.
    place : mapping
        ``like(layer)``.
    """
    mm_per_unit = np.divide(reference.spacing, place["scale"])
    transform = layer_transform(volume)
    return {
        "scale": tuple(np.divide(transform["scale"], mm_per_unit).tolist()),
        "translate": tuple(np.divide(transform["translate"], mm_per_unit).tolist()),
        "units": place["units"],
        "axis_labels": place["axis_labels"],
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


def _attributes(layer: Layer) -> dict[str, Any]:
    """Plain values of the attributes that place a layer."""
    if not isinstance(layer, Image):
        kind = layer.__class__.__name__.lower()  # type() would give the proxy
        raise VolumeError(
            f"MedSynth needs an image layer, but {layer.name!r} is a {kind} layer: "
            "choose an image."
        )
    meta = {name: getattr(layer, name) for name in layer_data.ATTRIBUTES}
    return meta | {"affine": np.asarray(layer.affine.affine_matrix)}
