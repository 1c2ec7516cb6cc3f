"""PathBars: a stacked bar per block, by which paths its output came about."""

from __future__ import annotations

from collections.abc import Sequence
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

from napari_medsynth.widgets._path_words import (
    COLOURS,
    MEANINGS,
    SEGMENTS,
    sentence_of,
    shares_of,
)

if TYPE_CHECKING:
    from napari_medsynth.explain import PathStrength

_TIP = "\n".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items())


class PathBars(QWidget):
    """Bars of all blocks; one is chosen, with a click or the arrow keys.

    Attributes
    ----------
    block_chosen : Signal(str)
    pointed : Signal(str)
        A sentence on the block under the mouse, else on the chosen one.
    """

    block_chosen = Signal(str)
    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strengths: list[PathStrength] = []
        self._row = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(_TIP)
        self.setAccessibleName("Paths through the blocks")

    @property
    def block(self) -> str:
        """The chosen block; "" if there is none."""
        return self._strengths[self._row].block if self._strengths else ""

    def show_strengths(self, strengths: Sequence[PathStrength]) -> None:
        """Show other bars; the chosen block stays so if it can."""
        block, n_before = self.block, len(self._strengths)
        self._strengths = list(strengths)
        blocks = [strength.block for strength in strengths]
        self._row = blocks.index(block) if block in blocks else 0
        if len(blocks) != n_before:
            self.updateGeometry()
        self._tell(self._row)
        self.update()

    def rect_of(self, row: int) -> QRectF:
        """Give the place of a bar."""
        high = self.fontMetrics().height() + 3
        top = self._legend_lines() * self.fontMetrics().height() + 6 + row * high
        left = self._label_width()
        return QRectF(left, top, max(self.width() - left - 2, 10), high - 3)

    def sizeHint(self) -> QSize:
        return QSize(300, round(self.rect_of(len(self._strengths)).top()) + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            row = self._row_at(event.position().y())
            self._tell(self._row if row is None else row)

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._tell(self._row)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            row = self._row_at(event.position().y())
            if row is not None:
                self._choose(row)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        moves = {
            Qt.Key.Key_Up: self._row - 1,
            Qt.Key.Key_Down: self._row + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: len(self._strengths) - 1,
        }
        key = Qt.Key(event.key()) if event is not None else None
        if key in moves and self._strengths:
            self._choose(min(max(moves[key], 0), len(self._strengths) - 1))
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        self._paint_legend(painter, ink)
        for row, strength in enumerate(self._strengths):
            bar = self.rect_of(row)
            painter.setPen(ink)
            name = QRectF(0, bar.top(), self._label_width() - 5, bar.height())
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(name, right, strength.block)
            left = bar.left()
            for segment, share in shares_of(strength).items():
                width = share * bar.width()
                piece = QRectF(left, bar.top(), width, bar.height())
                painter.fillRect(piece, QColor(COLOURS[segment]))
                self._paint_number(painter, piece, share)
                left += width
            if row == self._row:
                is_dotted = not self.hasFocus()
                line = Qt.PenStyle.DotLine if is_dotted else Qt.PenStyle.SolidLine
                painter.setPen(QPen(ink, 2, line))
                painter.drawRect(bar.adjusted(0, 0, -1, 0))
        painter.end()

    def _paint_number(self, painter: QPainter, piece: QRectF, share: float) -> None:
        text = f"{share:.0%}"
        if self.fontMetrics().horizontalAdvance(text) + 4 <= piece.width():
            painter.setPen(QColor(Qt.GlobalColor.black))
            painter.drawText(piece, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_legend(self, painter: QPainter, ink: QColor) -> None:
        high = self.fontMetrics().height()
        for x, line, name in self._legend():
            square = QRectF(x, line * high + 3, high - 6, high - 6)
            painter.fillRect(square, QColor(COLOURS[name]))
            painter.setPen(ink)
            painter.drawText(round(x + high), (line + 1) * high - 3, name)

    def _legend(self) -> list[tuple[int, int, str]]:
        """Left edge, line and name of every entry."""
        wide, high = self.fontMetrics().horizontalAdvance, self.fontMetrics().height()
        x, line, places = 0, 0, []
        for name in SEGMENTS:
            width = wide(name) + high + 10
            if x and x + width > self.width():
                x, line = 0, line + 1
            places.append((x, line, name))
            x += width
        return places

    def _legend_lines(self) -> int:
        return self._legend()[-1][1] + 1

    def _label_width(self) -> int:
        wide = self.fontMetrics().horizontalAdvance
        return max((wide(s.block) for s in self._strengths), default=0) + 8

    def _row_at(self, y: float) -> int | None:
        for row in range(len(self._strengths)):
            bar = self.rect_of(row)
            if bar.top() <= y <= bar.bottom():
                return row
        return None

    def _choose(self, row: int) -> None:
        self._row = row
        self._tell(row)
        self.update()
        self.block_chosen.emit(self.block)

    def _tell(self, row: int) -> None:
        text = sentence_of(self._strengths[row]) if self._strengths else ""
        self.setAccessibleDescription(text)
        self.pointed.emit(text)
