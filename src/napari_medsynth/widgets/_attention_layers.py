"""The layers of the Attention dock: anatomy, maps and marks of one cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_medsynth.io.geometry import layer_metadata

from ._attention_ask import CURRENT, Ask, marks_of
from ._roles import Role

if TYPE_CHECKING:
    from napari_medsynth.widgets.parts.map_look_box import MapLook

    from ._attention_jobs import Picture

_SIGNED = Colormap(
    [[0.1, 0.45, 1, 1], [0.2, 0.5, 1, 0], [1, 0.5, 0.1, 0], [1, 0.4, 0, 1]],
    name="blue-clear-orange",
    controls=[0, 0.5, 0.5, 1],
)
_STEPS = 32
_TOP = 99.0  # percentile that gets the brightest colour: the query itself outshines all
_MARK = 7.0  # voxels across, of a point
_DOT = 1.2  # of an outline
_HIDDEN_ROLE = {"medsynth": {"role": Role.OTHER.value}}


def anatomy_layer(layer: Image, name: str) -> Image:
    """Give a hidden layer that shows the same array as `layer` in the same way."""
    data, state, kind = layer.as_layer_data_tuple()
    known = dict(state["metadata"].get("medsynth", {}))
    known |= {"role": Role.OTHER.value, "modality": ""}
    state |= {"name": name, "visible": False, "metadata": {"medsynth": known}}
    state["contrast_limits"] = tuple(layer.contrast_limits)
    copied: Image = Layer.create(data, state, kind)
    return copied


def map_layer(place: Mapping[str, Any], name: str) -> Image:
    """Give a hidden layer for a map that is yet to come: one dark voxel."""
    return Image(
        np.zeros((1, 1, 1), np.float32),
        name=name,
        visible=False,
        contrast_limits=(0, 1),
        blending="translucent_no_depth",  # a bright anatomy must not outshine it
        metadata={"medsynth": {"role": Role.ATTENTION.value, "modality": ""}},
        **place,
    )


def marks_layer(place: Mapping[str, Any], name: str) -> Points:
    """Give a hidden layer for the marks of queries."""
    return Points(
        ndim=3,
        name=name,
        visible=False,
        symbol="disc",
        border_width=0.16,
        opacity=1.0,
        metadata=_HIDDEN_ROLE,
        **place,  # in voxels: a layer of finer steps would make the slider's finer
    )


def fill(layer: Image, picture: Picture) -> None:
    """Put a map into its layer."""
    data, place = picture.volume.data[0], picture.place
    for name in ("scale", "translate"):  # each of these slices the layer anew
        if tuple(getattr(layer, name)) != tuple(place[name]):
            setattr(layer, name, place[name])
    layer.data = data
    known = {"modality": "", "role": Role.ATTENTION.value}
    layer.metadata = {"medsynth": {**layer_metadata(picture.volume), **known}}


def dress(
    layer: Image,
    picture: Picture,
    look: MapLook,
    ask: Ask,
    *,
    top: float,
    is_grey: bool,
) -> None:
    """Give a map its colours.

    Parameters
    ----------
    layer : Image
    picture : Picture
    look : MapLook
    ask : Ask
        A pin is drawn in its own colour.
    top : float
        Value of the brightest colour.
    is_grey : bool
        It failed the honesty test.
    """
    if picture.is_signed:
        colormap = _SIGNED
        limits = (-top, top)
    else:
        colormap = clear_colormap(
            look.colormap if ask.number == CURRENT else ask.colour
        )
        limits = (top * look.threshold / 100, top)
    if is_grey:
        colormap = clear_colormap("gray")
    if layer.colormap.name != colormap.name:
        layer.colormap = colormap
    if limits[0] < limits[1] and tuple(layer.contrast_limits) != limits:
        if layer.contrast_limits_range[1] < limits[1] or limits[0] < 0:
            layer.contrast_limits_range = (min(limits[0], 0.0), limits[1])
        layer.contrast_limits = limits
    opacity = look.opacity / 100 * (0.4 if is_grey else 1)
    if layer.opacity != opacity:
        layer.opacity = opacity
    interpolation = "linear" if look.is_smooth else "nearest"
    if layer.interpolation2d != interpolation:
        layer.interpolation2d = interpolation


@lru_cache
def clear_colormap(name: str) -> Colormap:
    """Give a colormap, by its name or its colour "#rrggbb", that begins clear."""
    steps = np.linspace(0, 1, _STEPS)
    if name.startswith("#"):
        colours = np.tile(_rgba(name, 1.0), (_STEPS, 1))
    else:
        colours = np.array(ensure_colormap(name).map(steps))
    colours[:, 3] = np.minimum(2 * steps, 1)
    return Colormap(colours, name=f"clear {name}")


def top_of(picture: Picture) -> float:
    """Give the magnitude that is drawn brightest."""
    values = np.abs(picture.volume.data)
    seen = values[values > 0]
    return float(np.percentile(seen, _TOP)) if seen.size else 1.0


def mark(layer: Points, asks: Iterable[Ask], place: Mapping[str, Any]) -> None:
    """Draw rings at points and dotted lines around areas, in the asks' colours."""
    listed = [(ask, marks_of(ask)) for ask in asks if not ask.is_whole]
    places = [(p - place["translate"]) / place["scale"] for _, p in listed]
    layer.data = np.concatenate(places) if places else np.empty((0, 3))
    if not places:
        return
    is_ring = [len(points) == 1 for points in places]
    sizes = [_MARK if ring else _DOT for ring in is_ring]
    counts = [len(points) for points in places]
    colours = [_rgba(ask.colour, 1.0) for ask, _ in listed]
    faces = [
        _rgba(a.colour, 0.0 if r else 1.0)
        for (a, _), r in zip(listed, is_ring, strict=True)
    ]
    wanted = {
        "size": np.repeat(sizes, counts),
        "border_color": np.repeat(colours, counts, axis=0),
        "face_color": np.repeat(faces, counts, axis=0),
    }
    for name, values in wanted.items():
        if not np.allclose(getattr(layer, name), values):  # setting one draws again
            setattr(layer, name, values)


def _rgba(colour: str, alpha: float) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [*parts, alpha]
