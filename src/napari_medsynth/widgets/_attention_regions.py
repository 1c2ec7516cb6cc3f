"""Points, Shapes and Labels layers as places to ask about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_medsynth.errors import VolumeError

from ._attention_ask import Ask
from ._roles import facts

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from ._request import Request

_CORNERS_OF_AN_ELLIPSE = 72


def is_region(layer: Layer) -> bool:
    """Tell whether a layer of the user's can say where to ask."""
    return isinstance(layer, Points | Shapes | Labels) and not facts(layer).get("role")


def ask_of_layer(layer: Layer, request: Request, point: NDArray[np.float64]) -> Ask:
    """Ask about what `layer` marks on the slice that contains `point`.

    Points: the selected ones on the slice, or all. Shapes: the same, with what they
    enclose. Labels: the selected label, or every label if it is not on the slice.

    Raises
    ------
    VolumeError
        If it marks nothing there.
    """
    point = np.asarray(point, float)[-3:]
    ask = Ask(point)
    if isinstance(layer, Points):
        ask = Ask(point, places=_points(layer, request, point))
    elif isinstance(layer, Shapes):
        ask = Ask(point, areas=_shapes(layer, request, point))
    elif isinstance(layer, Labels):
        ask = Ask(point, places=_labelled(layer, request, point))
    if ask.is_whole:
        raise VolumeError(
            f"{layer.name!r} marks nothing on this slice: mark something here, or go "
            "to a slice where it does."
        )
    return ask.moved_to(point.tolist(), request.axis)


def _points(
    layer: Points, request: Request, point: NDArray[np.float64]
) -> NDArray[np.float64]:
    world = _to_world(layer, np.asarray(layer.data, float))
    chosen = sorted(layer.selected_data)
    for places in (world[chosen], world):
        here = places[_is_here(places, request, point)]
        if len(here):
            return here
    return world[:0]


def _shapes(
    layer: Shapes, request: Request, point: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    areas = [
        _to_world(layer, _corners(np.asarray(data, float), kind))
        for data, kind in zip(layer.data, layer.shape_type, strict=True)
    ]
    chosen = [areas[i] for i in sorted(layer.selected_data)]
    for wanted in (chosen, areas):
        here = [a for a in wanted if _is_here(a, request, point).all()]
        if here:
            return tuple(here)
    return ()


def _labelled(
    layer: Labels, request: Request, point: NDArray[np.float64]
) -> NDArray[np.float64]:
    origin, matrix = _transform(layer)
    axis = request.axis
    across = layer.ndim - 3 + axis
    index: list[int | slice] = [slice(None)] * layer.ndim
    fixed = 0
    if across >= 0:
        fixed = round(float((point[axis] - origin[axis]) / matrix[axis, across]))
        if not 0 <= fixed < layer.data.shape[across]:
            return np.empty((0, 3))
        index[across] = fixed
    slice_ = np.asarray(layer.data[tuple(index)])
    mask = slice_ == layer.selected_label
    if not layer.selected_label or not mask.any():
        mask = slice_ > 0
    voxels = np.argwhere(mask).astype(float)
    if across >= 0:
        voxels = np.insert(voxels, across, fixed, axis=1)
    return voxels @ matrix.T + origin


def _corners(data: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Corners of a shape; napari gives an ellipse as the box around it."""
    if kind != "ellipse":
        return data
    middle, turn = data.mean(axis=0), np.linspace(0, 2 * np.pi, _CORNERS_OF_AN_ELLIPSE)
    one, other = (data[1] - data[0]) / 2, (data[3] - data[0]) / 2
    return middle + np.outer(np.cos(turn), one) + np.outer(np.sin(turn), other)


def _is_here(
    places: NDArray[np.float64], request: Request, point: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which places are on the slice; all of them, where slices do not exist."""
    off = np.abs(places[:, request.axis] - point[request.axis])
    here: NDArray[np.bool_] = off <= request.place["scale"][request.axis] / 2 + 1e-6
    return here


def _to_world(layer: Layer, data: NDArray[np.float64]) -> NDArray[np.float64]:
    origin, matrix = _transform(layer)
    world: NDArray[np.float64] = data @ matrix.T + origin
    return world


def _transform(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin (3,) and matrix (3, ndim) that take data of a layer to the last 3 axes."""

    def world(position: NDArray[np.float64]) -> NDArray[np.float64]:
        there = np.asarray(layer.data_to_world(position), float)
        return np.concatenate([np.zeros(max(3 - len(there), 0)), there])[-3:]

    origin = world(np.zeros(layer.ndim))
    columns = [world(unit) - origin for unit in np.eye(layer.ndim)]
    return origin, np.stack(columns, axis=1)
