"""Compare: sources, synthesis, truth, difference and attention, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from ._dock import Dock
from .parts.pane_list import PaneList

if TYPE_CHECKING:
    from napari import Viewer

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata", "name")


class CompareWidget(Dock):
    """Choose images, put them side by side or over one another, measure.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, "compare", parent)
        self.pane_list = PaneList()
        self.add_section("Side by side", self.pane_list)
        self.pane_list.set_layers(napari_viewer.layers)
        napari_viewer.layers.events.connect(self._on_layers_event)

    def _on_layers_event(self, event: Any) -> None:
        if event.type in _LAYER_EVENTS:
            self.pane_list.set_layers(self._viewer.layers)
