"""Crosshair: the place under the mouse, marked in every cell of the grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QMainWindow, QOpenGLWidget, QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

_COLOUR = QColor(255, 210, 60, 200)
_GAP = 6.0  # pixels around the mouse that stay clear


class Crosshair:
    """Draws lines over the canvas of a window; no layer is added for it.

    All cells of the grid show the same place at the same distance from their corner, so
    the mouse's distance from the corner of its own cell says it all.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._glass: _Glass | None = None

    @property
    def is_shown(self) -> bool:
        return self._glass is not None

    def set_shown(self, is_shown: bool, window: QWidget | None) -> None:
        """Show or hide the lines on the canvas of `window`, if it has one."""
        if not is_shown:
            self.close()
        elif self._glass is None and (canvas := _canvas_of(window)) is not None:
            self._glass = _Glass(self._viewer, canvas)

    def close(self, *_: Any) -> None:
        """Take the lines away; again, it changes nothing."""
        glass, self._glass = self._glass, None
        if glass is not None:
            with suppress(RuntimeError):  # Qt has deleted it, together with the canvas
                glass.end()


class _Glass(QWidget):
    """A pane of glass over the canvas; the mouse goes through it."""

    def __init__(self, viewer: ViewerModel, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._viewer = viewer
        self._canvas = canvas
        self.mouse: QPointF | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(canvas.rect())
        canvas.installEventFilter(self)
        self.show()

    def end(self) -> None:
        self._canvas.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def crossings(self) -> Iterator[tuple[QRectF, QPointF]]:
        """Give every cell of the grid and the marked point in it [pixel]."""
        if self.mouse is None:
            return
        cells = list(self._cells())
        home = next((cell for cell in cells if cell.contains(self.mouse)), None)
        if home is None:
            return
        for cell in cells:
            yield cell, self.mouse - home.topLeft() + cell.topLeft()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None:
            if isinstance(event, QMouseEvent):
                self._mark(event.position())
            elif event.type() == QEvent.Type.Leave:
                self._mark(None)
            elif event.type() == QEvent.Type.Resize:
                self.setGeometry(self._canvas.rect())
        return False

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(_COLOUR, 1))
        for cell, at in self.crossings():
            x, y = at.x(), at.y()
            for start, end in (
                (QPointF(cell.left(), y), QPointF(x - _GAP, y)),
                (QPointF(x + _GAP, y), QPointF(cell.right(), y)),
                (QPointF(x, cell.top()), QPointF(x, y - _GAP)),
                (QPointF(x, y + _GAP), QPointF(x, cell.bottom())),
            ):
                painter.drawLine(start, end)
        painter.end()

    def _mark(self, mouse: QPointF | None) -> None:
        if mouse != self.mouse:
            self.mouse = mouse
            self.update()

    def _cells(self) -> Iterator[QRectF]:
        """Give the rectangles of the grid's cells, laid out as napari does."""
        grid = self._viewer.canvas.grid
        rows, columns = 1, 1
        if grid.enabled:
            rows, columns = grid.actual_shape(self._viewer.layers)
        width, height = self.width() / columns, self.height() / rows
        gap = float(grid.spacing)
        if gap < 1:  # a share of a cell
            gap *= (width + height) / 2
        gap = int(gap) if rows * columns > 1 else 0
        width -= gap * (columns - 1) / columns
        height -= gap * (rows - 1) / rows
        for row in range(rows):
            for column in range(columns):
                left, top = column * (width + gap), row * (height + gap)
                yield QRectF(left, top, width, height)


def _canvas_of(window: QWidget | None) -> QWidget | None:
    """Give the canvas of napari's window: docks may have others."""
    middle = window.centralWidget() if isinstance(window, QMainWindow) else None
    found = middle.findChildren(QOpenGLWidget) if middle is not None else []
    return found[0] if found else None
