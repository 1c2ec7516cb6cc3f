"""LossCanvas: the drawn curves. It imports pyqtgraph, so import it late."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QWheelEvent
from qtpy.QtWidgets import QWidget

from .loss_record import HELD_OUT, LossRecord

LOSS_HEIGHT, MEASURE_HEIGHT = 150, 95
_PER_PIXEL = 1.0  # values; more cost time and show nothing
_UNITS = {"psnr": "PSNR [dB]", "mae": "MAE", "ssim": "SSIM"}


class LossCanvas(pg.GraphicsLayoutWidget):
    """Training losses above, one plot per held-out measure below, one axis of steps.

    The wheel scrolls the page; with Ctrl it zooms.
    """

    hovered = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self.ci.setSpacing(0)
        self._plots: dict[str, pg.PlotItem] = {}
        self._raw: dict[str, pg.PlotDataItem] = {}
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._best: dict[str, pg.ScatterPlotItem] = {}
        self._cursors: list[pg.InfiniteLine] = []
        self._palette = self.palette()
        self._add_plot("", "loss")
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)

    def draw(
        self, record: LossRecord, colours: Mapping[str, str], shown: Mapping[str, bool]
    ) -> None:
        """Show the curves of `record` whose name is `shown`.

        Measures are named "held out: psnr", losses as they are.
        """
        for name in record.names:
            if name not in self._curves:
                self._add_loss(name, colours[name])
            is_shown = shown.get(name, True)
            for curves, values in (
                (self._raw, record.raw),
                (self._curves, record.smooth),
            ):
                curves[name].setVisible(is_shown)
                if is_shown:
                    curves[name].setData(record.steps, values(name))
        for measure in record.measures:
            name = HELD_OUT + measure
            if name not in self._curves:
                self._add_measure(name, colours[name])
            self._plots[name].setVisible(shown.get(name, True))
            if shown.get(name, True):
                self._draw_measure(record, measure)
        self._fit_height(shown)

    def clear_curves(self) -> None:
        """Forget everything that was drawn."""
        for name, plot in list(self._plots.items()):
            if name:
                self.removeItem(plot)
                del self._plots[name]
        self._cursors = self._cursors[:1]
        for items in (self._raw, self._curves, self._best):
            for item in items.values():
                self._plots[""].removeItem(item)
            items.clear()
        self.fit()

    def set_log(self, is_log: bool) -> None:
        """Show the losses (not the measures) on a logarithmic scale."""
        self._plots[""].setLogMode(y=is_log)
        self._plots[""].enableAutoRange()

    def fit(self) -> None:
        """Show everything, and keep doing so while it grows."""
        for plot in self._plots.values():
            plot.enableAutoRange()
            plot.vb.updateAutoRange()

    def show_cursor(self, step: float | None) -> None:
        """Mark one step in all plots; None takes the mark away."""
        for cursor in self._cursors:
            cursor.setVisible(step is not None)
            if step is not None:
                cursor.setValue(step)

    def follow_palette(self, palette: QPalette) -> None:
        """Take text and background from napari's theme."""
        self._palette = palette
        text = palette.color(QPalette.ColorRole.WindowText)
        self.setBackground(palette.color(QPalette.ColorRole.Window))
        for plot in self._plots.values():
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(pg.mkPen(text, width=1))
                axis.setTextPen(text)
        faint = QColor(text)
        faint.setAlpha(140)
        for cursor in self._cursors:
            cursor.setPen(pg.mkPen(faint, width=1, style=Qt.PenStyle.DashLine))

    def picture(self, *, scale: int = 2) -> QImage:
        """Give what is drawn, `scale` times as fine as on the screen."""
        image = QImage(self.size() * scale, QImage.Format.Format_RGB32)
        image.fill(self.backgroundBrush().color())
        painter = QPainter(image)
        try:
            self.render(painter, QRectF(image.rect()), self.rect())
            painter.scale(scale, scale)
            self._draw_names(painter)
        finally:
            painter.end()  # Qt crashes if anything still holds an active painter
        return image

    def _draw_names(self, painter: QPainter) -> None:
        """Name the losses in a saved picture, which has no check boxes."""
        height = painter.fontMetrics().height()
        names = [name for name in self._raw if self._raw[name].isVisible()]
        for row, name in enumerate(names):
            painter.setPen(self._curves[name].opts["pen"].color())
            box = QRectF(0, 4 + row * height, self.width() - 8, height)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), name)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hovered.emit(np.nan)

    def _add_plot(self, name: str, label: str) -> pg.PlotItem:
        plot = self.addPlot(row=len(self._plots), col=0)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=True, y=False)
        plot.showGrid(x=True, y=True, alpha=0.15)
        plot.setLabel("left", label)
        plot.getAxis("left").setWidth(52)  # all plots begin below each other
        plot.getAxis("left").enableAutoSIPrefix(False)
        plot.getAxis("bottom").enableAutoSIPrefix(False)
        if self._plots:
            plot.setXLink(self._plots[""])
        cursor = pg.InfiniteLine(angle=90, movable=False)
        cursor.setVisible(False)
        plot.addItem(cursor, ignoreBounds=True)
        self._cursors.append(cursor)
        self._plots[name] = plot
        return plot

    def _add_loss(self, name: str, colour: str) -> None:
        faint = QColor(colour)
        faint.setAlpha(70)
        for number, (curves, pen, method) in enumerate(
            (
                (self._raw, pg.mkPen(faint, width=1), "peak"),
                (self._curves, pg.mkPen(colour, width=2), "subsample"),
            )
        ):
            curve = self._plots[""].plot(
                pen=pen, connect="finite", autoDownsampleFactor=_PER_PIXEL
            )
            curve.setDownsampling(auto=True, method=method)
            curve.setClipToView(True)
            curve.setZValue(number)
            curves[name] = curve

    def _add_measure(self, name: str, colour: str) -> None:
        measure = name.removeprefix(HELD_OUT)
        plot = self._add_plot(name, _UNITS.get(measure, measure))
        self._curves[name] = plot.plot(
            pen=pg.mkPen(colour, width=2),
            symbol="o",
            symbolSize=5,
            symbolBrush=colour,
            symbolPen=None,
        )
        self._best[name] = pg.ScatterPlotItem(
            symbol="star", size=14, brush=colour, pen=None
        )
        plot.addItem(self._best[name])
        self.follow_palette(self._palette)

    def _draw_measure(self, record: LossRecord, measure: str) -> None:
        name, best = HELD_OUT + measure, record.best
        self._curves[name].setData(*record.validation(measure))
        if best is not None and measure in best.validation:
            self._best[name].setData([best.step], [best.validation[measure]])

    def _fit_height(self, shown: Mapping[str, bool]) -> None:
        below = [name for name in self._plots if name and shown.get(name, True)]
        for name, plot in self._plots.items():
            is_last = name == (below[-1] if below else "")
            plot.getAxis("bottom").setStyle(showValues=is_last)
            plot.setLabel("bottom", "step" if is_last else "")
            row_height = MEASURE_HEIGHT if name else LOSS_HEIGHT
            plot.setMinimumHeight(row_height if not name or name in below else 0)
        height = LOSS_HEIGHT + len(below) * MEASURE_HEIGHT + 32
        if self.height() != height:
            self.setFixedHeight(height)

    def _on_mouse_moved(self, position: QPointF) -> None:
        for plot in self._plots.values():
            if plot.isVisible() and plot.sceneBoundingRect().contains(position):
                self.hovered.emit(plot.vb.mapSceneToView(position).x())
                return
        self.hovered.emit(np.nan)
