"""AttentionView: the Attention dock's ties to a viewer, closed once and for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_medsynth.io.geometry import layer_metadata

from ._attention_ask import Ask
from ._attention_cells import AttentionCells
from ._attention_layers import dress, top_of
from ._attention_mouse import QueryMouse
from ._attention_runner import AllSlices, NewestWins
from ._layers import unique_name
from ._requests import Requests
from ._roles import Role
from ._session import Session
from ._turns import Turns

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from ._attention_jobs import Job, Picture
    from ._attention_plan import Plan
    from .parts.map_look_box import MapLook

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata", "name")


class AttentionView(QObject):
    """Cells, mouse, slider and list of layers of a viewer, and the workers.

    It has no parent: when a dock is destroyed, its children are gone before `close` can
    be called.

    Parameters
    ----------
    viewer : Viewer
    is_listening : callable
        Whether Shift+click is for us now.
    """

    drawing = Signal(object)
    drawn = Signal(object)
    slider_moved = Signal()
    layers_changed = Signal()
    data_changed = Signal(object)

    def __init__(self, viewer: Viewer, is_listening: Callable[[], bool]) -> None:
        super().__init__()
        self._viewer = viewer
        self._is_closed = False
        self._window: Callable[[], QMainWindow | None] = _no_window
        self._turns = Turns(self)
        self.session = Session()
        self.requests = Requests()
        self.cells = AttentionCells(viewer, self)
        self.runner = NewestWins(self.session, self)
        self.all_slices = AllSlices(self.session, self)
        self._mouse = QueryMouse(
            viewer, is_listening, self.drawing.emit, self.drawn.emit
        )
        viewer.dims.events.current_step.connect(self._on_slider)
        viewer.dims.events.order.connect(self._on_slider)
        viewer.dims.events.ndisplay.connect(self._on_slider)
        viewer.layers.events.connect(self._on_layers_event)

    @property
    def is_busy(self) -> bool:
        """Whether maps are computed, or layers wait for their turn."""
        return self.runner.is_busy or not self.cells.is_settled or self._turns.is_busy

    def set_window(self, window: QWidget | None) -> None:
        """Say in which window the dock is, to know when that is closed."""
        if isinstance(window, QMainWindow):
            self._window = ref(window)  # it must be able to go

    def user_layers(self) -> list[Layer]:
        """Give the layers that are not ours, in their order."""
        ours = self.cells.layers.values()
        return [layer for layer in self._viewer.layers if layer not in ours]

    def draw(self, plan: Plan, job: Job) -> None:
        """Have the cells of `plan`, and fill them with what `job` gives."""
        self.runner.ask(job)  # first: it works while layers are made
        self.cells.show(plan)

    def stop(self) -> None:
        """Show no map, because nothing can be asked; the cells stay."""
        self.runner.stop()
        self.cells.clear_all()

    def hide(self) -> None:
        """Show what was shown before."""
        self.runner.stop()
        self.cells.close()

    def keep_volumes(self, pictures: list[Picture]) -> None:
        """Add maps of all slices as layers that stay, and show them in their cells."""
        for picture in pictures:
            if self.cells.is_open:
                self.cells.draw(picture)
        is_shown = not self.cells.is_open
        self._turns.add(
            partial(add_map, self._viewer, picture, self.cells.look, is_shown)
            for picture in pictures
        )

    def close(self, *_: object) -> None:
        """Stop all work; if the viewer stays, show it as it was before."""
        if self._is_closed or not isalive(self):
            return
        self._is_closed = True
        self._turns.stop()
        self.runner.abandon()
        self.all_slices.abandon()
        self._mouse.close()
        self._viewer.dims.events.current_step.disconnect(self._on_slider)
        self._viewer.dims.events.order.disconnect(self._on_slider)
        self._viewer.dims.events.ndisplay.disconnect(self._on_slider)
        self._viewer.layers.events.disconnect(self._on_layers_event)
        if self._is_window_open():
            QTimer.singleShot(0, self._leave)
        else:
            self.cells.abandon()

    def _is_window_open(self) -> bool:
        window = self._window()
        return window is not None and isalive(window) and bool(window.isVisible())

    def _leave(self) -> None:
        """Show the layers as they were before, if there still is a window."""
        if self._is_window_open():
            self.cells.close()
        else:
            self.cells.abandon()

    def _on_slider(self, event: Any = None) -> None:
        self.slider_moved.emit()

    def _on_layers_event(self, event: Any) -> None:
        source = event.sources[0] if event.sources else None
        if event.type == "data":
            self.data_changed.emit(source)
        elif event.type in _LAYER_EVENTS and not self._is_ours(event, source):
            self.layers_changed.emit()

    def _is_ours(self, event: Any, source: Any) -> bool:
        ours = self.cells.layers.values()
        return source in ours or getattr(event, "value", None) in ours


def _no_window() -> None:
    return None


def add_map(viewer: Viewer, picture: Picture, look: MapLook, is_shown: bool) -> None:
    """Add a map as a layer that stays, and leave the selection as it is."""
    known = {"modality": "", "role": Role.ATTENTION.value}
    kept = set(viewer.layers.selection)
    top = top_of(picture)
    layer = viewer.add_image(
        picture.volume.data[0],
        name=unique_name(viewer, f"attention {picture.caption}, all slices"),
        metadata={"medsynth": {**layer_metadata(picture.volume), **known}},
        visible=is_shown,
        blending="translucent_no_depth",
        contrast_limits=(0.0, top),
        **picture.place,
    )
    ask = Ask(np.asarray(viewer.dims.point, float))
    dress(layer, picture, look, ask, top=top, is_grey=False)
    viewer.layers.selection = kept
