"""HeadGrid: a cell per layer and head, coloured by what the head does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    qGray,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from napari_medsynth.explain import HeadStatistic

PANELS = ("Entropy [bits]", "Distance [mm]")
_GAP = 10  # pixels between the panels
_COLOURS = 64
_FRAME = (("#000000", 4), ("#ffffff", 2))  # seen on all colours
_SMALL = 9  # pixels, of the numbers in the cells
_BRIGHT = 115  # of 255: grey that black is easier to read on
_TIP = (
    "A row per layer, a column per head; the brighter, the more. Click a head, or go "
    "there with the arrow keys and press Enter, to see its map."
)


class HeadGrid(QWidget):
    """Two panels of the same heads: how widely, and how far away each looks.

    Attributes
    ----------
    pointed : Signal(object)
        The `HeadStatistic` under the mouse or the keyboard's cursor; None for none.
    chosen : Signal(object)
        The one that was clicked, or where Enter or Space was pressed.
    """

    pointed = Signal(object)
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._heads: dict[tuple[int, int], HeadStatistic] = {}
        self._rows: list[tuple[str, int]] = []
        self._n_columns = 0
        self._tops = (1.0, 1.0)
        self._cursor = (0, 0)
        self._marked: tuple[int, int] | None = None
        self._label_width = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(_TIP)
        self.setAccessibleName("Heads by layer")

    def show_heads(self, heads: Sequence[HeadStatistic]) -> None:
        """Show other heads; the cursor stays where it is, if it can."""
        rows = list(dict.fromkeys((head.block, head.layer) for head in heads))
        if len(rows) != len(self._rows):
            self.updateGeometry()
        self._rows = rows
        self._measure_labels()
        self._heads = {(rows.index((h.block, h.layer)), h.head): h for h in heads}
        self._n_columns = max((head.head + 1 for head in heads), default=0)
        # all the bits there may be, so that a colour means the same everywhere
        most = max((h.entropy / h.entropy_share for h in heads if h.entropy), default=1)
        farthest = max((head.distance for head in heads), default=1)
        self._tops = (most or 1.0, farthest or 1.0)
        if self._cursor not in self._heads:
            self._cursor = (0, 0)
        self._tell(self.head_at_cursor())
        self.update()

    def mark(self, block: str, layer: int, head: int) -> None:
        """Mark the head whose map is shown; an unknown one takes the mark away."""
        row = (block, layer)
        place = (self._rows.index(row), head) if row in self._rows else None
        before, self._marked = self._marked, place if place in self._heads else None
        if self._marked is not None and self._marked != before:
            self._cursor = self._marked
            self._tell(self.marked)
        self.update()

    @property
    def marked(self) -> HeadStatistic | None:
        """The head that is marked."""
        return None if self._marked is None else self._heads[self._marked]

    def head_at_cursor(self) -> HeadStatistic | None:
        """Give where the keyboard is."""
        return self._heads.get(self._cursor)

    def rect_of(self, row: int, column: int, panel: int = 0) -> QRectF:
        """Give the place of a cell."""
        left, top = self._label_width, 2 * self.fontMetrics().height() + 4
        width = max(self.width() - left - _GAP - 2, 20) / 2
        step = width / max(self._n_columns, 1)
        x = left + panel * (width + _GAP) + column * step
        height = self._row_height()
        return QRectF(x, top + row * height, step, height)

    def sizeHint(self) -> QSize:
        header = 2 * self.fontMetrics().height() + 8
        return QSize(300, round(header + len(self._rows) * self._row_height()))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        kinds = (QEvent.Type.FontChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds:
            self._measure_labels()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self._tell(self._heads.get(self._place_at(event.position())))

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self._tell(self.head_at_cursor() if self.hasFocus() else self.marked)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        place = self._place_at(event.position())
        if place in self._heads:
            self._cursor = place
            self.chosen.emit(self._heads[place])

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        row, column = self._cursor
        moves = {
            Qt.Key.Key_Left: (row, column - 1),
            Qt.Key.Key_Right: (row, column + 1),
            Qt.Key.Key_Up: (row - 1, column),
            Qt.Key.Key_Down: (row + 1, column),
            Qt.Key.Key_Home: (row, 0),
            Qt.Key.Key_End: (row, self._n_columns - 1),
        }
        key = Qt.Key(event.key()) if event is not None else None
        head = self.head_at_cursor()
        if key in moves and head is not None:
            if moves[key] in self._heads:
                self._cursor = moves[key]
                self._tell(self.head_at_cursor())
                self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and head:
            self.chosen.emit(head)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        self._paint_labels(painter)
        small = self.font()
        small.setPixelSize(_SMALL)
        painter.setFont(small)
        fits = (
            painter.fontMetrics().horizontalAdvance("199") <= self.rect_of(0, 0).width()
        )
        for place, head in self._heads.items():
            for panel, value in enumerate((head.entropy, head.distance)):
                self._paint_cell(painter, place, panel, value, has_text=fits)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for panel in range(len(PANELS)):
            if self._marked is not None:
                cell = self.rect_of(*self._marked, panel)
                for colour, width in _FRAME:
                    painter.setPen(QPen(QColor(colour), width))
                    painter.drawRect(cell.adjusted(1, 1, -1, -1))
            if self.hasFocus() and self._heads:
                painter.setPen(QPen(ink, 1, Qt.PenStyle.DotLine))
                painter.drawRect(self.rect_of(*self._cursor, panel))
        painter.end()

    def _paint_labels(self, painter: QPainter) -> None:
        high = self.fontMetrics().height()
        middle = Qt.AlignmentFlag.AlignCenter
        for panel, title in enumerate(PANELS if self._rows else ()):
            first = self.rect_of(0, 0, panel)
            last = self.rect_of(0, self._n_columns - 1, panel)
            above = QRectF(first.left(), 0, last.right() - first.left(), high)
            painter.drawText(above, middle, title)
            for column in range(self._n_columns):
                cell = self.rect_of(0, column, panel)
                cell.moveTop(high + 2)
                if self.fontMetrics().horizontalAdvance("99") <= cell.width():
                    painter.drawText(cell, middle, str(column + 1))
        for row, (block, layer) in enumerate(self._rows):
            cell = self.rect_of(row, 0)
            cell.setLeft(0)
            cell.setWidth(self._label_width - 4)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(cell, right, f"{block} \N{MIDDLE DOT} {layer + 1}")

    def _paint_cell(
        self,
        painter: QPainter,
        place: tuple[int, int],
        panel: int,
        value: float,
        *,
        has_text: bool,
    ) -> None:
        cell = self.rect_of(*place, panel).adjusted(0.5, 0.5, -0.5, -0.5)
        colour = colour_at(value / self._tops[panel])
        painter.fillRect(cell, colour)
        text = f"{value:.0f}" if panel else f"{value:.1f}"
        if has_text:
            is_bright = qGray(colour.rgb()) > _BRIGHT
            black, white = Qt.GlobalColor.black, Qt.GlobalColor.white
            painter.setPen(QColor(black if is_bright else white))
            painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, text)

    def _tell(self, head: HeadStatistic | None) -> None:
        self.pointed.emit(head)

    def _place_at(self, position: QPointF) -> tuple[int, int]:
        for place in self._heads:
            if any(self.rect_of(*place, p).contains(position) for p in (0, 1)):
                return place
        return (-1, -1)

    def _row_height(self) -> float:
        return float(self.fontMetrics().height() + 3)

    def _measure_labels(self) -> None:
        names = [f"{block} \N{MIDDLE DOT} {n + 1}" for block, n in self._rows]
        wide = self.fontMetrics().horizontalAdvance
        self._label_width = max((wide(name) for name in names), default=0) + 8


@cache
def _colours() -> list[QColor]:
    steps = np.linspace(0, 1, _COLOURS)
    rows = ensure_colormap("viridis").map(steps)
    return [QColor.fromRgbF(*(float(part) for part in row)) for row in rows]


def colour_at(share: float) -> QColor:
    """Give the colour of a share, 0 (dark) to 1 (bright)."""
    steps = _colours()
    return steps[round(min(max(share, 0.0), 1.0) * (len(steps) - 1))]
