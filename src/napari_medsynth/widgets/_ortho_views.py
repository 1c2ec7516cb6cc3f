"""OrthoViews: the two planes that the main canvas does not show, beside each other."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from ._camera import attach_radiological_camera
from ._cross_lines import CrossLines
from ._layer_mirror import LayerMirror
from ._notice import attach_synthetic_notice
from ._turns import Turns
from ._view_link import PLANES, ViewLink

NAMES = ("Axial", "Coronal", "Sagittal")


class OrthoViews(QWidget):
    """Two linked canvases with the layers of a viewer, in the planes it does not show.

    Parameters
    ----------
    viewer : ViewerModel
        Not a proxy; its layers are 3D.
    """

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work = OrthoWork(viewer)
        self.labels: list[QLabel] = []
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._splitter)
        self.setMinimumSize(300, 220)  # a dock squeezes what has none
        self.setAccessibleName("Orthogonal views")
        self._turns = Turns(self)
        self._turns.add([partial(self._add, model) for model in self.work.models])
        self._turns.add([self.work.start])
        self.work.chosen.connect(self._name)
        self.destroyed.connect(self.work.close)

    @property
    def is_ready(self) -> bool:
        """Whether both canvases show all layers."""
        return not self._turns.is_busy and self.work.is_ready

    def close_views(self) -> None:
        """Take everything apart, before the widget goes; again, it changes nothing."""
        self._turns.stop()
        self.work.close()

    def sizeHint(self) -> QSize:
        return QSize(600, 330)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.work.set_paused(False)
        self.work.watch(self.window())

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self.work.set_paused(True)

    def _add(self, model: ViewerModel) -> None:
        """Add one canvas with its heading; creating one takes some 100 ms."""
        heading = QLabel()
        heading.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        canvas = QtViewer(model)
        canvas.setAcceptDrops(False)
        self.work.canvases.append(canvas)
        self.labels.append(heading)
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(heading)
        column.addWidget(canvas, 1)
        self._splitter.addWidget(box)

    def _name(self) -> None:
        """Write above each canvas which plane it shows."""
        for heading, model in zip(self.labels, self.work.models, strict=True):
            heading.setText(NAMES[model.dims.order[0]])


class OrthoWork(QObject):
    """What is behind the canvases; it outlives the widget, to be closed in order.

    Signals: `chosen` when each canvas has got its plane.
    """

    chosen = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self.models = [ViewerModel(), ViewerModel()]
        self.canvases: list[QtViewer] = []
        self._mirrors: list[LayerMirror] = []
        self._lines: list[CrossLines] = []
        self._link: ViewLink | None = None
        self._is_closed = False
        self._canvas_size = tuple(viewer.canvas.size)

    @property
    def is_ready(self) -> bool:
        return self._link is not None

    def start(self) -> None:
        """Copy the layers, and link the views once they are there."""
        for model in self.models:
            attach_synthetic_notice(model, font_size=8)
            self._mirrors.append(LayerMirror(self._viewer, model, self))
        self._mirrors[-1].call_later(self._join)

    def choose_planes(self, event: Any = None) -> None:
        """Give the models the planes that the main viewer does not show."""
        shown = self._viewer.dims.order[0]
        rest = [plane for plane in PLANES if plane[0] != shown]
        for model, plane in zip(self.models, rest, strict=True):
            if model.dims.ndim == len(plane) and tuple(model.dims.order) != plane:
                model.dims.order = plane
        if self._link is not None:
            self._link.follow(self._viewer)
        self.chosen.emit()

    def set_paused(self, is_paused: bool) -> None:
        """Wait while nobody sees it."""
        if self._link is not None:
            self._link.is_paused = is_paused
            if not is_paused:
                self._link.follow(self._viewer)

    def watch(self, window: QWidget | None) -> None:
        """Close before `window` does: napari's canvases want to be closed first."""
        if window is not None:
            window.installEventFilter(self)  # again, Qt moves it only

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Close:
            self.close()
        return False

    def close(self, *args: object) -> None:
        """Stop following and close the canvases; again, it changes nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._link is not None:
            self._link.close()
            self._viewer.dims.events.order.disconnect(self.choose_planes)
        for mirror in self._mirrors:
            mirror.close()
        for lines in self._lines:
            lines.close()
        for canvas in self.canvases:
            canvas.close()
        self.canvases = []

    def _join(self) -> None:
        """Choose the planes, fit them, draw the cross lines.

        The main canvas has become smaller: its image does so too, once.
        """
        for model in self.models:
            attach_radiological_camera(model)
        self.choose_planes()
        for model in self.models:
            model.reset_view()
            self._lines.append(CrossLines(model))
        sizes = zip(self._viewer.canvas.size, self._canvas_size, strict=True)
        self._viewer.scene.camera.zoom *= min(new / old for new, old in sizes)
        self._link = ViewLink([self._viewer, *self.models], self)
        self._viewer.dims.events.order.connect(self.choose_planes)
