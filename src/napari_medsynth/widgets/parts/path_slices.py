"""PathSlices: the paths of one block, slice by slice; a click goes to a slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_medsynth.widgets._path_words import COLOURS, sentence_of, shares_of

if TYPE_CHECKING:
    from napari_medsynth.explain import PathStrength

_HEIGHT = 110
_PAGE = 10  # slices
_TIP = "Click, drag, or use the arrow keys to go to a slice."


class PathSlices(QWidget):
    """A stacked column per slice of the volume; empty slices have none.

    Attributes
    ----------
    chosen : Signal(int)
        Somebody wants to see this slice.
    pointed : Signal(str)
        A sentence on the slice under the mouse, or on the one that is shown.
    """

    chosen = Signal(int)
    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices: dict[int, PathStrength] = {}
        self._n_slices = 0
        self.index = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(_TIP)
        self.setAccessibleName("Paths slice by slice")

    def show_slices(self, slices: Mapping[int, PathStrength], n_slices: int) -> None:
        """Show other columns: index of the slice to the strengths of one block."""
        self._slices, self._n_slices = dict(slices), n_slices
        self._tell(self.index)
        self.update()

    def show_index(self, index: int) -> None:
        """Mark the slice that is on the screen."""
        if index != self.index:
            self.index = index
            self._tell(index)
            self.update()

    def column_of(self, index: int) -> QRectF:
        """Give the place of a slice's column."""
        step = max(self.width() - 2, 1) / max(self._n_slices, 1)
        return QRectF(1 + index * step, 1, step, self.height() - 2)

    def sizeHint(self) -> QSize:
        return QSize(300, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, _HEIGHT)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or not self._n_slices:
            return
        index = self._index_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(index)
        else:
            self._tell(index)

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._tell(self.index)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        is_left = event is not None and event.button() == Qt.MouseButton.LeftButton
        if event is not None and is_left and self._n_slices:
            self._choose(self._index_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        moves = {
            Qt.Key.Key_Left: self.index - 1,
            Qt.Key.Key_Right: self.index + 1,
            Qt.Key.Key_PageDown: self.index - _PAGE,
            Qt.Key.Key_PageUp: self.index + _PAGE,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self._n_slices - 1,
        }
        key = Qt.Key(event.key()) if event is not None else None
        if key in moves and self._n_slices:
            self._choose(moves[key])
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        for index, strength in self._slices.items():
            column = self.column_of(index)
            bottom = column.bottom()
            for segment, share in shares_of(strength).items():
                high = share * column.height()
                # a little wider, so that no seams show between columns
                piece = QRectF(column.left(), bottom - high, column.width() + 0.5, high)
                painter.fillRect(piece, QColor(COLOURS[segment]))
                bottom -= high
        if self._n_slices:
            middle = round(self.column_of(self.index).center().x())
            for colour, width in ((Qt.GlobalColor.black, 3), (Qt.GlobalColor.white, 1)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawLine(middle, 1, middle, self.height() - 2)
        frame = QColor(ink)
        frame.setAlpha(255 if self.hasFocus() else 90)
        painter.setPen(frame)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _index_at(self, x: float) -> int:
        return int((x - 1) / max(self.width() - 2, 1) * self._n_slices)

    def _choose(self, index: int) -> None:
        index = min(max(index, 0), self._n_slices - 1)
        self.show_index(index)
        self.chosen.emit(index)

    def _tell(self, index: int) -> None:
        if not self._n_slices:
            return
        strength = self._slices.get(index)
        what = sentence_of(strength) if strength else "an empty slice"
        text = f"Slice {index}, {what}"
        self.setAccessibleDescription(text)
        self.pointed.emit(text)
