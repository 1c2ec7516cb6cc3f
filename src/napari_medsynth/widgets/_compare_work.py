"""CompareWork: what the Compare dock does to the viewer, closed once and in order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from ._difference import Differences
from ._match import WindowMatch
from ._stage import Stage
from ._turns import single_shot
from ._two_in_one import TwoInOne
from ._window_link import WindowLink

if TYPE_CHECKING:
    from napari import Viewer

    from ._ortho_views import OrthoViews

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata", "name")
FLICKER_KEY = "F"


class CompareWork(QObject):
    """The parts of a comparison that are no widgets.

    Signals: `layers_changed`, at most once per turn of the event loop; `key_pressed`
    for the key of the flicker; `ortho_closed` when the user has closed that dock.

    Parameters
    ----------
    viewer : Viewer
        As napari hands it to plugins.
    """

    layers_changed = Signal()
    key_pressed = Signal()
    ortho_closed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.model = getattr(viewer, "__wrapped__", viewer)  # plugins get a proxy
        self.stage = Stage(self.model, self)
        self.two = TwoInOne(self.model, self.stage, self)
        self.differences = Differences(self.model, self)
        self.match = WindowMatch(self)
        self.link = WindowLink()
        self.ortho: OrthoViews | None = None
        self._window: Callable[[], QMainWindow | None] = _no_window
        self._is_closed = False
        self._timer = single_shot(self, 0, self.layers_changed.emit)
        self.model.layers.events.connect(self._on_layers_event)
        self.model.bind_key(FLICKER_KEY, self._on_key, overwrite=True)

    def set_window(self, window: QWidget | None) -> None:
        """Say in which window the dock is, to know when that is closed."""
        if isinstance(window, QMainWindow):
            self._window = ref(window)  # it must be able to go

    def can_show_ortho(self) -> str:
        """Say why there can be no orthogonal views; "" if there can."""
        if self._window() is None:
            return "Orthogonal views need a window."
        if self.model.dims.ndim != 3 or not len(self.model.layers):
            return "Orthogonal views need a 3D image: open a volume first."
        return ""

    def open_ortho(self) -> None:
        """Open the dock with the other two planes."""
        from ._ortho_views import OrthoViews

        if self.ortho is None and not self.can_show_ortho():
            self.ortho = OrthoViews(self.model)
            self.ortho.destroyed.connect(self._on_ortho_destroyed)
            self._viewer.window.add_dock_widget(
                self.ortho, name="Orthogonal views", area="bottom"
            )

    def close_ortho(self) -> None:
        """Close that dock, if it is open."""
        ortho, self.ortho = self.ortho, None
        if ortho is not None:
            ortho.destroyed.disconnect(self._on_ortho_destroyed)
            ortho.close_views()
            self._viewer.window.remove_dock_widget(ortho)
            ortho.deleteLater()

    def close(self, *args: object) -> None:
        """Stop all work; if the viewer stays, show it as it was before."""
        if self._is_closed:
            return
        self._is_closed = True
        self._timer.stop()
        self.model.layers.events.disconnect(self._on_layers_event)
        self.model.bind_key(FLICKER_KEY, None)
        self.differences.stop()
        self.match.stop()
        self.link.unlink()
        self.stage.abandon()
        if self.ortho is not None:
            with suppress(RuntimeError):  # Qt has deleted it already
                self.ortho.close_views()
        self.two.abandon()
        if self._is_window_open():
            QTimer.singleShot(0, self._leave)

    def _is_window_open(self) -> bool:
        window = self._window()
        with suppress(RuntimeError):  # Qt has deleted it already
            return window is not None and bool(window.isVisible())
        return False

    def _leave(self) -> None:
        """Leave no picture of ours behind."""
        if self._is_window_open():
            self.close_ortho()
            self.two.stop()
            self.stage.restore_at_once()

    def _on_layers_event(self, event: Any) -> None:
        if event.type in _LAYER_EVENTS:
            self._timer.start()

    def _on_key(self, viewer: object) -> None:
        self.key_pressed.emit()

    def _on_ortho_destroyed(self, *args: object) -> None:
        self.ortho = None
        self.ortho_closed.emit()


def _no_window() -> None:
    return None
