"""LayerMirror: the layers of one viewer shown in another, voxels shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from ._arrangement import put_in_order
from ._map_panes import HELPER
from ._roles import facts
from ._turns import Turns, single_shot

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

# What a copy follows. Of the rest (names, modes, selection) nothing is seen.
_FOLLOWED = (
    *("visible", "opacity", "blending", "scale", "translate", "data"),
    *("contrast_limits", "gamma", "colormap", "interpolation2d"),
)
_REDRAW_AFTER = 150  # ms; so often at most what is painted in place is copied


class LayerMirror(QObject):
    """Keeps copies of the layers of `viewer` in `mirror`, one turn per new layer.

    A layer keeps the slice that it shows, so that two viewers cannot share one. Layers
    that only fill cells of the grid are left out: here is no grid.

    Parameters
    ----------
    viewer, mirror : ViewerModel
    """

    def __init__(
        self, viewer: ViewerModel, mirror: ViewerModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._mirror = viewer, mirror
        self._copies: dict[Layer, Layer] = {}
        self._steps: dict[Layer, tuple[int, ...]] = {}
        self._stale: set[Layer] = set()
        self._turns = Turns(self)
        self._redraw_timer = single_shot(self, _REDRAW_AFTER, self._redraw)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.reordered.connect(self._on_reordered)
        self._turns.add(partial(self._add, layer) for layer in viewer.layers)

    @property
    def is_busy(self) -> bool:
        """Whether layers are still to be copied."""
        return self._turns.is_busy

    def copy_of(self, layer: Layer) -> Layer | None:
        """Give the copy of a layer, if there is one yet."""
        return self._copies.get(layer)

    def call_later(self, *steps: Callable[[], None]) -> None:
        """Call `steps` once the layers that wait have been copied."""
        self._turns.add(steps)

    def close(self) -> None:
        """Stop following; the copies stay, and the mirror is no longer needed."""
        self._turns.stop()
        self._redraw_timer.stop()
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)
        events.reordered.disconnect(self._on_reordered)
        for layer in list(self._copies):
            self._forget(layer)

    def _add(self, layer: Layer) -> None:
        is_known = layer in self._copies or facts(layer).get("role") == HELPER
        if is_known or layer not in self._viewer.layers:
            return
        data, options, kind = layer.as_layer_data_tuple()
        copy = layer.create(data, {**options, "name": layer.name}, kind)
        self._mirror.add_layer(copy)
        self._copies[layer] = copy
        for name in _FOLLOWED:
            if hasattr(layer, name):
                getattr(layer.events, name).connect(self._on_attribute)
        layer.events.set_data.connect(self._on_set_data)
        self._sort()

    def _forget(self, layer: Layer) -> None:
        for name in _FOLLOWED:
            if hasattr(layer, name):
                getattr(layer.events, name).disconnect(self._on_attribute)
        layer.events.set_data.disconnect(self._on_set_data)
        self._stale.discard(layer)
        self._steps.pop(layer, None)
        del self._copies[layer]

    def _on_inserted(self, event: Any) -> None:
        self._turns.add([partial(self._add, event.value)])

    def _on_removed(self, event: Any) -> None:
        copy = self._copies.get(event.value)
        if copy is not None:
            self._forget(event.value)
            self._mirror.layers.remove(copy)

    def _on_reordered(self, event: Any = None) -> None:
        self._turns.add([self._sort])

    def _sort(self) -> None:
        """Put the copies into the order of the layers."""
        known = [layer for layer in self._viewer.layers if layer in self._copies]
        put_in_order(self._mirror, [self._copies[layer] for layer in known])

    def _on_attribute(self, event: Any) -> None:
        layer = event.source
        copy = self._copies[layer]
        value = getattr(layer, event.type)
        if event.type == "data" or getattr(copy, event.type) is not value:
            setattr(copy, event.type, value)

    def _on_set_data(self, event: Any) -> None:
        """Draw the copy anew if the voxels were changed in place.

        The layer says the same whenever another slice is shown, which does not concern
        the copy.
        """
        layer, step = event.source, tuple(self._viewer.dims.current_step)
        is_scrolled, self._steps[layer] = self._steps.get(layer) != step, step
        if not is_scrolled:
            self._stale.add(layer)
            if not self._redraw_timer.isActive():
                self._redraw_timer.start()

    def _redraw(self) -> None:
        for layer in self._stale:
            self._copies[layer].refresh(extent=False, thumbnail=False)
        self._stale.clear()
