"""TrustView: what the Trust dock keeps and hears of a viewer, until it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from ._requests import Requests
from ._session import Session
from ._turns import single_shot

if TYPE_CHECKING:
    from napari import Viewer

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata", "name")


class TrustView(QObject):
    """Requests, networks, and the layers' events, gathered.

    It has no parent: when a dock is destroyed, its children are gone before `close` can
    be called.

    Attributes
    ----------
    layers_changed : Signal
        Layers came, went or are something else now.
    data_changed : Signal(object)
        A layer has other voxels.
    is_closed : bool
    """

    layers_changed = Signal()
    data_changed = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.is_closed = False
        self.session = Session()
        self.requests = Requests()
        self._timer = single_shot(self, 0, self.layers_changed.emit)
        viewer.layers.events.connect(self._on_layers_event)

    def close(self, *_: object) -> None:
        """Listen no more; again, it changes nothing."""
        if self.is_closed or not isalive(self):
            return
        self.is_closed = True
        self._timer.stop()
        self._viewer.layers.events.disconnect(self._on_layers_event)

    def _on_layers_event(self, event: Any) -> None:
        if event.type == "data":
            self.data_changed.emit(event.sources[0] if event.sources else None)
        elif event.type in _LAYER_EVENTS:
            self._timer.start()
