"""SlicePlot: one curve per synthesis along the slices; a click goes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QPalette
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.evaluate.metric_names import METRICS, format_value

from .colours import colour_of
from .plain import plain_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Curves = Mapping[str, NDArray[np.float64]]

_HEIGHT = 170
_PAGE = 10  # slices
_EMPTY = "No numbers yet."
_TIP = "Click, drag the line, or use the arrow keys to go to a slice."


class SlicePlot(QWidget):
    """A number per slice. pyqtgraph is imported when there is something to draw.

    Attributes
    ----------
    chosen : Signal(int)
        Somebody wants to see this slice.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvas: Any = None
        self.index = 0
        self._curves: Curves = {}
        self._metric, self._plane = "psnr", "axial"
        self._items: list[Any] = []
        self.value_label = plain_label("Values of the slice that is shown")
        self.value_label.setText(_EMPTY)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.value_label)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Numbers along the slices")
        self.setToolTip(_TIP)

    @property
    def n_slices(self) -> int:
        return max((len(curve) for curve in self._curves.values()), default=0)

    def show_curves(self, curves: Curves, metric: str, plane: str) -> None:
        """Draw other curves, name to (n_slices,); not-a-number is left out."""
        self._curves, self._metric, self._plane = dict(curves), metric, plane
        if self.canvas is None:
            self._make_canvas()
        self._draw()
        self.show_index(self.index)

    def show_index(self, index: int) -> None:
        """Mark the slice that is on the screen, and tell its values."""
        self.index = index
        if self.canvas is not None:
            self._line.blockSignals(True)
            self._line.setValue(index)
            self._line.blockSignals(False)
        self.value_label.setText(self._sentence())

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds:
            self._follow_palette()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        places = {
            Qt.Key.Key_Left: self.index - 1,
            Qt.Key.Key_Right: self.index + 1,
            Qt.Key.Key_PageDown: self.index - _PAGE,
            Qt.Key.Key_PageUp: self.index + _PAGE,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self.n_slices - 1,
        }
        key = Qt.Key(event.key()) if event is not None else None
        if key in places and self.n_slices:
            self._choose(places[key])
        else:
            super().keyPressEvent(event)

    def _make_canvas(self) -> None:
        import pyqtgraph as pg

        self.canvas = pg.PlotWidget(self)
        self.canvas.setFixedHeight(_HEIGHT)
        self.canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are ours
        item = self.canvas.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.showGrid(x=True, y=True, alpha=0.15)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        self._line = pg.InfiniteLine(angle=90, movable=True)
        self._line.sigDragged.connect(self._on_line_dragged)
        item.addItem(self._line, ignoreBounds=True)
        self.canvas.scene().sigMouseClicked.connect(self._on_clicked)
        self._layout.insertWidget(0, self.canvas)
        self._follow_palette()

    def _draw(self) -> None:
        import pyqtgraph as pg

        item = self.canvas.getPlotItem()
        for drawn in self._items:
            item.removeItem(drawn)
        self._items = []
        for number, curve in enumerate(self._curves.values()):
            finite = np.where(np.isfinite(curve), curve, np.nan)
            pen = pg.mkPen(colour_of(number), width=2)
            drawn = item.plot(np.arange(len(curve)), finite, pen=pen, connect="finite")
            self._items.append(drawn)
        item.setLabel("left", METRICS[self._metric].title)
        item.setLabel("bottom", f"{self._plane} slice")
        item.enableAutoRange()
        if self.n_slices:
            item.setXRange(0, self.n_slices - 1, padding=0.02)

    def _sentence(self) -> str:
        if not self._curves:
            return _EMPTY
        values = []
        for name, curve in self._curves.items():
            is_there = 0 <= self.index < len(curve)
            text = format_value(self._metric, curve[self.index]) if is_there else ""
            values.append(f"{name} {text or 'no number here'}")
        where = f"Slice {self.index}, {METRICS[self._metric].title}"
        return f"{where}: {'; '.join(values)}"

    def _choose(self, place: float) -> None:
        if self.n_slices and np.isfinite(place):
            index = min(max(round(place), 0), self.n_slices - 1)
            self.show_index(index)
            self.chosen.emit(index)

    def _on_clicked(self, event: Any) -> None:
        view = self.canvas.getPlotItem().vb
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus()
            self._choose(view.mapSceneToView(event.scenePos()).x())

    def _on_line_dragged(self) -> None:
        self._choose(self._line.value())

    def _follow_palette(self) -> None:
        """Take text and background from napari's theme."""
        if self.canvas is None:
            return
        import pyqtgraph as pg

        text = self.palette().color(QPalette.ColorRole.WindowText)
        self.canvas.setBackground(self.palette().color(QPalette.ColorRole.Window))
        for side in ("left", "bottom"):
            axis = self.canvas.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(text, width=1))
            axis.setTextPen(text)
        faint = QColor(text)
        faint.setAlpha(170)
        self._line.setPen(pg.mkPen(faint, width=1, style=Qt.PenStyle.DashLine))
        self._line.setHoverPen(pg.mkPen(text, width=2))
