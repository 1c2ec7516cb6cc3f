"""StateChip: shows what happens to one modality; a click goes to the next state."""

from __future__ import annotations

from enum import StrEnum

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QAbstractButton, QSizePolicy, QWidget


class State(StrEnum):
    """What a model does with a modality."""

    SOURCE = "source"
    TARGET = "to synthesise"
    IGNORED = "ignored"


_TIPS = {
    State.SOURCE: "The model sees this image.",
    State.TARGET: "The model makes this image; a real one is not looked at.",
    State.IGNORED: "Neither seen nor made.",
}


class StateChip(QAbstractButton):
    """A rounded label: filled = source, outlined = to synthesise, dotted = ignored."""

    state_picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = State.IGNORED
        self._allowed: tuple[State, ...] = (State.IGNORED,)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._on_clicked)

    @property
    def state(self) -> State:
        """What is shown."""
        return self._state

    def set_state(self, state: State, allowed: tuple[State, ...]) -> None:
        """Show `state`; a click steps through `allowed`."""
        self._state, self._allowed = state, allowed
        has_choice = len(allowed) > 1
        advice = " Click to change." if has_choice else ""
        self.setEnabled(has_choice)
        self.setText(str(state))
        self.setToolTip(_TIPS[state] + advice)
        self.setAccessibleName(str(state))
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        width = max(metrics.horizontalAdvance(state) for state in State)
        return QSize(width + 18, metrics.height() + 6)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        try:
            self._draw(painter)
        finally:
            painter.end()  # Qt crashes if anything still holds an active painter

    def _draw(self, painter: QPainter) -> None:
        colours = self.palette()
        text = colours.color(QPalette.ColorRole.WindowText)
        accent = QColor("#2a9d8f")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        pen = QPen(accent if self._state is not State.IGNORED else text, 1.2)
        if self._state is State.IGNORED:
            painter.setOpacity(0.6)
            pen.setStyle(Qt.PenStyle.DotLine)
        if self._state is State.SOURCE:
            painter.setBrush(accent)
            text = QColor("white")
        painter.setPen(pen)
        painter.drawRoundedRect(body, body.height() / 2, body.height() / 2)
        painter.setPen(text)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._state)
        if self.hasFocus():
            painter.setPen(QPen(text, 1, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            inner = body.adjusted(2, 2, -2, -2)
            painter.drawRoundedRect(inner, inner.height() / 2, inner.height() / 2)

    def _on_clicked(self) -> None:
        position = (
            self._allowed.index(self._state) if self._state in self._allowed else -1
        )
        self.state_picked.emit(self._allowed[(position + 1) % len(self._allowed)])
