"""Arrangement: how a viewer shows its layers, to be found again after a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

# Who has arranged a viewer, by its id, and how they give back: two who both brought
# back what they found would bring back each other's.
_holders: dict[int, Callable[[], None]] = {}
_GRID = ("enabled", "shape", "stride", "spacing")
_CAPTION = ("visible", "position", "font_size")


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What `restore` brings back: order, visibility, captions, grid, camera, selection.

    Parameters
    ----------
    layers : tuple of Layer
        In their order, the lowest first.
    visible : tuple of bool
    captions : tuple of mapping
        Attributes of each layer's ``name_overlay``.
    grid : mapping
        Attributes of the canvas's grid.
    center, zoom :
        Of the camera.
    selected : tuple of Layer
    """

    layers: tuple[Layer, ...]
    visible: tuple[bool, ...]
    captions: tuple[dict[str, Any], ...]
    grid: dict[str, Any]
    center: tuple[float, ...]
    zoom: float
    selected: tuple[Layer, ...]

    @classmethod
    def of(cls, viewer: ViewerModel) -> Arrangement:
        """Take down how `viewer` shows its layers."""
        layers, grid, camera = viewer.layers, viewer.canvas.grid, viewer.scene.camera
        return cls(
            layers=tuple(layers),
            visible=tuple(layer.visible for layer in layers),
            captions=tuple(_caption(layer) for layer in layers),
            grid={name: getattr(grid, name) for name in _GRID},
            center=tuple(camera.center),
            zoom=float(camera.zoom),
            selected=tuple(layers.selection),
        )

    def restore(self, viewer: ViewerModel) -> None:
        """Show the layers as they were.

        Layers that have come since stay as they are, on top; those that are gone stay
        away.
        """
        put_in_order(viewer, self.layers)
        rows = zip(self.layers, self.visible, self.captions, strict=True)
        for layer, is_visible, caption in rows:
            if layer in viewer.layers:
                set_caption(layer, **caption)
                set_visible(viewer, layer, is_visible)
        set_grid(viewer, **self.grid)
        self._look(viewer)

    def _look(self, viewer: ViewerModel) -> None:
        camera = viewer.scene.camera
        camera.center, camera.zoom = self.center, self.zoom
        kept = {layer for layer in self.selected if layer in viewer.layers}
        if set(viewer.layers.selection) != kept:
            viewer.layers.selection = kept


def take_canvas(viewer: ViewerModel, give_back: Callable[[], None]) -> None:
    """Have whoever arranges `viewer` give it back at once, before one takes it."""
    key = id(getattr(viewer, "__wrapped__", viewer))  # plugins get a proxy
    before = _holders.get(key)
    if before is not None and before != give_back:
        before()
    _holders[key] = give_back


def release_canvas(viewer: ViewerModel, give_back: Callable[[], None]) -> None:
    """Have nothing to give back any more; unless `take_canvas` was called, nothing."""
    key = id(getattr(viewer, "__wrapped__", viewer))
    if _holders.get(key) == give_back:
        del _holders[key]


def put_in_order(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Move `layers` to the bottom, in this order; the others stay above them."""
    listed = viewer.layers  # its move_multiple fails for some permutations
    here = [layer for layer in layers if layer in listed]
    if list(listed)[: len(here)] == here:
        return
    with listed.events.reordered.blocker():  # the canvas is built anew each time
        for index, layer in enumerate(here):
            listed.move(listed.index(layer), index)
    listed.events.reordered(value=listed)


def set_visible(viewer: ViewerModel, layer: Layer, is_visible: bool) -> None:
    """Show or hide a layer, if it is still there and not so already."""
    if layer in viewer.layers and layer.visible != is_visible:
        layer.visible = is_visible


def set_caption(layer: Layer, **values: Any) -> None:
    """Set attributes of the layer's name on the canvas: visible, position, ..."""
    for name, value in values.items():
        if getattr(layer.name_overlay, name) != value:  # each makes the canvas anew
            setattr(layer.name_overlay, name, value)


def set_grid(viewer: ViewerModel, **values: Any) -> None:
    """Set attributes of the canvas's grid that differ; `enabled` comes last."""
    grid = viewer.canvas.grid
    for name in sorted(values, key=lambda name: name == "enabled"):
        if getattr(grid, name) != values[name]:
            setattr(grid, name, values[name])


def _caption(layer: Layer) -> dict[str, Any]:
    return {name: getattr(layer.name_overlay, name) for name in _CAPTION}
