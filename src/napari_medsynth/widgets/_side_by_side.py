"""Grid cells of the canvas: one per pane, the image as large as fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._arrangement import put_in_order, set_caption, set_grid, set_visible
from ._hanging import grid_shape, zoom_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_CAPTION = {"visible": True, "position": "bottom_left", "font_size": 7}
_GAP = 4  # pixels between cells
_MARGIN = 0.92  # share of its cell that an image fills


def show_only(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Show `layers`, in this order and with their names, and hide all others."""
    here = [layer for layer in layers if layer in viewer.layers]
    put_in_order(viewer, here)
    for layer in viewer.layers:
        set_visible(viewer, layer, layer in here)
    for layer in here:
        set_caption(layer, **_CAPTION)


def open_grid(viewer: ViewerModel) -> None:
    """Give each visible layer a cell that it fills."""
    layers = [layer for layer in viewer.layers if layer.visible]
    if not layers:
        return
    low, high = extent_of(viewer, layers)
    canvas, size = viewer.canvas.size, high - low
    shape = grid_shape(len(layers), canvas, size)
    set_grid(viewer, stride=1, shape=shape, spacing=_GAP, enabled=True)
    camera = viewer.scene.camera
    middle = ((low + high) / 2).tolist()
    camera.center = (*tuple(camera.center)[:-2], *middle)
    camera.zoom = _MARGIN * zoom_of(shape, canvas, size)


def close_grid(viewer: ViewerModel) -> None:
    """Close the grid and stay at the same place, larger by as much as fits."""
    zoom = zoom_without_grid(viewer)
    set_grid(viewer, enabled=False)
    if viewer.scene.camera.zoom != zoom:
        viewer.scene.camera.zoom = zoom


def zoom_without_grid(viewer: ViewerModel) -> float:
    """Give the zoom that fills the whole canvas as a cell is filled now."""
    zoom, canvas = float(viewer.scene.camera.zoom), viewer.canvas.size
    layers = [layer for layer in viewer.layers if layer.visible]
    if not viewer.canvas.grid.enabled or not layers:
        return zoom
    low, high = extent_of(viewer, layers)
    shape = viewer.canvas.grid.actual_shape(viewer.layers)
    one, many = (zoom_of(s, canvas, high - low) for s in ((1, 1), shape))
    return zoom * one / many


def extent_of(viewer: ViewerModel, layers: Sequence[Layer]) -> tuple[Array, Array]:
    """Give the corners [world] of layers along the two axes that are displayed."""
    axes, n = list(viewer.dims.displayed)[-2:], viewer.dims.ndim
    boxes = np.zeros((len(layers), 2, n))
    for box, layer in zip(boxes, layers, strict=True):
        box[:, n - layer.ndim :] = layer.extent.world
    return boxes[:, 0, axes].min(axis=0), boxes[:, 1, axes].max(axis=0)
