"""SwipeView: two images of one slice under a divider that can be dragged."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Image = NDArray[np.float32]

_STEP, _LEAP = 0.02, 0.10
_GAIN = 4.0  # differences are small: a quarter of the range is white
_HANDLE = QColor("#ffb000")


class Shown(StrEnum):
    """What the two sides of the divider show."""

    IMAGES = "images"
    ERRORS = "difference to the truth"
    CHANGE = "change by the training"


class SwipeView(QWidget):
    """Left of the divider the base model's image, right of it the tuned one's.

    The mouse drags the divider; so do the arrow keys, Page Up and Down, Home and End.
    """

    moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: dict[str, Image] = {}
        self._left, self._right = QImage(), QImage()
        self.shown = Shown.IMAGES
        self.position = 0.5  # of the divider, 0 left to 1 right
        self.left_name = "base"  # what the left image is called
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(120, 120)
        self.setMaximumHeight(420)
        self.setAccessibleName("Before and after")
        self.setToolTip(
            "Drag the line, or use the arrow keys: left of it the base model, right of "
            "it the trained one."
        )

    @property
    def has_images(self) -> bool:
        return bool(self._images)

    def set_images(self, images: Mapping[str, Image]) -> None:
        """Show "before", "now" and "truth", (H, W) in [0, 1]; {} shows nothing."""
        self._images = dict(images)
        self._make_pictures()

    def set_shown(self, shown: Shown) -> None:
        """Show the images, their errors, or what the training changed."""
        self.shown = shown
        self._make_pictures()

    def move_to(self, position: float) -> None:
        """Put the divider at `position`, 0 (left) to 1 (right)."""
        self.position = min(max(position, 0.0), 1.0)
        share = round(100 * self.position)
        self.setAccessibleDescription(
            f"base model on the left {share} %, trained model on the rest"
        )
        self.update()
        self.moved.emit(self.position)

    def sizeHint(self) -> QSize:
        return QSize(260, self.heightForWidth(260))

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if self._left.isNull():
            return width
        return min(round(width * self._left.height() / self._left.width()), 420)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        key = Qt.Key(event.key()) if event is not None else None
        shift = {
            Qt.Key.Key_Left: -_STEP,
            Qt.Key.Key_Right: _STEP,
            Qt.Key.Key_PageDown: -_LEAP,
            Qt.Key.Key_PageUp: _LEAP,
            Qt.Key.Key_Home: -1.0,
            Qt.Key.Key_End: 1.0,
        }
        if key in shift:
            self.move_to(self.position + shift[key])
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self._drag(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        self._drag(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        try:
            self._draw(painter)
        finally:
            painter.end()  # Qt crashes if anything still holds an active painter

    def _drag(self, event: QMouseEvent | None) -> None:
        if event is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        frame = self._frame()
        self.move_to((event.position().x() - frame.left()) / max(frame.width(), 1.0))

    def _frame(self) -> QRectF:
        """Where the images are: as large as fits, in the middle."""
        area = QRectF(self.rect())
        if self._left.isNull():
            return area
        scale = min(
            area.width() / self._left.width(), area.height() / self._left.height()
        )
        width, height = self._left.width() * scale, self._left.height() * scale
        left, top = (area.width() - width) / 2, (area.height() - height) / 2
        return QRectF(left, top, width, height)

    def _draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = self._frame()
        if self._left.isNull():
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            text = "There is no held-out slice to show."
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), int(flags), text)
            return
        painter.drawImage(frame, self._right)
        if self.shown is Shown.CHANGE:
            text = f"trained \N{MINUS SIGN} {self.left_name}"
            _label(painter, frame, text, is_left=True)
        else:
            self._draw_divider(painter, frame)
        if self.hasFocus():
            painter.setPen(QPen(_HANDLE, 1, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(frame.adjusted(0.5, 0.5, -1, -1))

    def _draw_divider(self, painter: QPainter, frame: QRectF) -> None:
        x = frame.left() + self.position * frame.width()
        painter.save()
        painter.setClipRect(
            QRectF(frame.left(), frame.top(), x - frame.left(), frame.height())
        )
        painter.drawImage(frame, self._left)
        _label(painter, frame, self.left_name, is_left=True)
        painter.setClipRect(QRectF(x, frame.top(), frame.right() - x, frame.height()))
        _label(painter, frame, "trained", is_left=False)
        painter.restore()
        painter.setPen(QPen(_HANDLE, 2))
        painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
        painter.setBrush(_HANDLE)
        painter.drawEllipse(QPointF(x, frame.center().y()), 5, 5)

    def _make_pictures(self) -> None:
        if not self._images:
            self._left = self._right = QImage()
        elif self.shown is Shown.IMAGES:
            self._left, self._right = (
                _grey(self._images[k]) for k in ("before", "now")
            )
        elif self.shown is Shown.ERRORS:
            truth = self._images["truth"]
            self._left, self._right = (
                _grey(_GAIN * np.abs(self._images[k] - truth))
                for k in ("before", "now")
            )
        else:
            change = self._images["now"] - self._images["before"]
            self._left = self._right = _signed(_GAIN * change)
        self.updateGeometry()
        self.update()


def _grey(image: Image) -> QImage:
    """[0, 1] as grey levels."""
    levels = np.ascontiguousarray(255 * np.clip(np.nan_to_num(image), 0, 1), np.uint8)
    height, width = levels.shape
    kind = QImage.Format.Format_Grayscale8
    return QImage(levels.tobytes(), width, height, width, kind).copy()


def _signed(image: Image) -> QImage:
    """[-1, 1] from blue (darker) over black to orange (brighter)."""
    up, down = np.clip(image, 0, 1), np.clip(-image, 0, 1)
    colours = np.stack([up, 0.6 * up + 0.5 * down, down], axis=-1)
    levels = np.ascontiguousarray(255 * np.nan_to_num(colours), np.uint8)
    height, width = image.shape
    kind = QImage.Format.Format_RGB888
    return QImage(levels.tobytes(), width, height, 3 * width, kind).copy()


def _label(painter: QPainter, frame: QRectF, text: str, *, is_left: bool) -> None:
    """Write into an upper corner, on a dark ground."""
    size = painter.fontMetrics().boundingRect(text).size()
    left = frame.left() + 4 if is_left else frame.right() - size.width() - 12
    box = QRectF(left, frame.top() + 4, size.width() + 8, size.height() + 4)
    painter.fillRect(box, QColor(0, 0, 0, 150))
    painter.setPen(QColor("white"))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
