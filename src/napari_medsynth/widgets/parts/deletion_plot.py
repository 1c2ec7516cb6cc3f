"""DeletionPlot: what a synthesis loses with the most, least and randomly marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

# Okabe and Ito; other dashes too, for those who see no colours
STYLES = {
    "most attended": ("#d55e00", Qt.PenStyle.SolidLine),
    "random": ("#8a8a8a", Qt.PenStyle.DashLine),
    "least attended": ("#0072b2", Qt.PenStyle.DotLine),
}
_HEIGHT = 150
_TIP = (
    "Regions of all sources are made grey, those that the map marks most, least, or "
    "random ones; up: how much the synthesis changes. An honest map has the most "
    "attended on top. Arrow keys read the points."
)


class DeletionPlot(QWidget):
    """Three curves over the share of the subject that was deleted.

    Attributes
    ----------
    pointed : Signal(str)
        A sentence on the point under the mouse or the keyboard's cursor.
    """

    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fractions: tuple[float, ...] = ()
        self._curves: dict[str, tuple[float, ...]] = {}
        self._cursor = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(_TIP)
        self.setAccessibleName("Deletion curves")

    def show_curves(
        self, fractions: Sequence[float], curves: Mapping[str, Sequence[float]]
    ) -> None:
        """Draw other curves.

        Parameters
        ----------
        fractions : sequence of float
            Shares of the subject that were deleted, rising.
        curves : mapping
            One of `STYLES` to the change of the synthesis at each fraction [share of
            its range].
        """
        self._fractions = tuple(fractions)
        self._curves = {name: tuple(values) for name, values in curves.items()}
        self._cursor = min(self._cursor, max(len(self._fractions) - 1, 0))
        self._tell()
        self.update()

    def point_of(self, name: str, number: int) -> QPointF:
        """Give the place of a point of a curve."""
        box = self._box()
        top = max((max(values) for values in self._curves.values()), default=0) or 1.0
        right = max(self._fractions, default=1.0)
        return QPointF(
            box.left() + box.width() * self._fractions[number] / right,
            box.bottom() - box.height() * self._curves[name][number] / top,
        )

    def sizeHint(self) -> QSize:
        return QSize(300, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, _HEIGHT)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or not self._curves:
            return
        name, x = next(iter(self._curves)), event.position().x()
        self._cursor = min(
            range(len(self._fractions)),
            key=lambda number: abs(self.point_of(name, number).x() - x),
        )
        self._tell()
        self.update()

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        last = len(self._fractions) - 1
        moves = {
            Qt.Key.Key_Left: self._cursor - 1,
            Qt.Key.Key_Right: self._cursor + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        key = Qt.Key(event.key()) if event is not None else None
        if key in moves and self._curves:
            self._cursor = min(max(moves[key], 0), last)
            self._tell()
            self.update()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        if self._curves:
            self._paint_axes(painter, ink)
        numbers = range(len(self._fractions))
        for name, values in self._curves.items():
            colour, dashes = STYLES[name]
            painter.setPen(QPen(QColor(colour), 2, dashes))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF([self.point_of(name, n) for n in numbers]))
            painter.setBrush(QColor(colour))
            painter.setPen(Qt.PenStyle.NoPen)
            for number in range(len(values)):
                size = 5 if number == self._cursor and self.hasFocus() else 3
                painter.drawEllipse(self.point_of(name, number), size, size)
        painter.end()

    def _paint_axes(self, painter: QPainter, ink: QColor) -> None:
        box, high = self._box(), self.fontMetrics().height()
        faint = QColor(ink)
        faint.setAlpha(110)
        painter.setPen(faint)
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        painter.drawLine(box.bottomLeft(), box.topLeft())
        painter.setPen(ink)
        top = max(max(values) for values in self._curves.values())
        left = QRectF(0, box.top() - high / 2, box.left() - 4, high)
        right = Qt.AlignmentFlag.AlignRight
        painter.drawText(left, right, f"{100 * top:.2g} %")
        left.moveBottom(box.bottom() + high / 2)
        painter.drawText(left, right, "0 %")
        name = next(iter(self._curves))
        for number, fraction in enumerate(self._fractions):
            x = self.point_of(name, number).x()
            below = QRectF(x - 25, box.bottom() + 1, 50, high)
            centre = Qt.AlignmentFlag.AlignHCenter
            painter.drawText(below, centre, f"{fraction:.0%}")
        below = QRectF(box.left(), box.bottom() + high, box.width(), high)
        painter.drawText(below, right, "of the subject deleted")
        x = box.left()
        for name in self._curves:
            colour, dashes = STYLES[name]
            painter.setPen(QPen(QColor(colour), 2, dashes))
            painter.drawLine(QPointF(x, high / 2), QPointF(x + 16, high / 2))
            painter.setPen(ink)
            short = name.removesuffix(" attended")
            painter.drawText(QPointF(x + 20, high - 3), short)
            x += 34 + self.fontMetrics().horizontalAdvance(short)

    def _box(self) -> QRectF:
        high, wide = self.fontMetrics().height(), self.fontMetrics().horizontalAdvance
        left = wide("0.000 %") + 4
        height = self.height() - 3.7 * high - 2
        return QRectF(left, 1.7 * high, self.width() - left - wide("40%"), height)

    def _tell(self) -> None:
        if not self._curves:
            return
        changes = [
            f"{name} {100 * values[self._cursor]:.2g} %"
            for name, values in self._curves.items()
        ]
        text = (
            f"{self._fractions[self._cursor]:.0%} of the subject deleted, the "
            f"synthesis changes by: {', '.join(changes)}"
        )
        self.setAccessibleDescription(text)
        self.pointed.emit(text)
