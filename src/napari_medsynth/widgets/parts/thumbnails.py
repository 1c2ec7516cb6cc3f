"""Small pictures of scans, for cells and tooltips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QBuffer, QByteArray, QIODevice, Qt
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPixmap

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DOT = 10  # pixels


def picture(grey: NDArray[np.uint8], side: int) -> QIcon:
    """Give a grey image (h, w), fitted into a square."""
    pixmap = QPixmap.fromImage(_image(grey))
    ratio = Qt.AspectRatioMode.KeepAspectRatio
    smooth = Qt.TransformationMode.SmoothTransformation
    icon = QIcon()
    icon.addPixmap(pixmap.scaled(side, side, ratio, smooth))
    return icon


def strip(pictures: Mapping[str, NDArray[np.uint8]]) -> str:
    """Give the HTML of a tooltip that shows one picture beside the other."""
    heads = "".join(f"<th>{contrast}</th>" for contrast in pictures)
    cells = "".join(
        f'<td><img src="data:image/png;base64,{_png(grey)}"></td>'
        for grey in pictures.values()
    )
    return f"<table><tr>{heads}</tr><tr>{cells}</tr></table>"


def dot(colour: str) -> QIcon:
    """Give a filled circle."""
    pixmap = QPixmap(_DOT, _DOT)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    try:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        painter.drawEllipse(1, 1, _DOT - 2, _DOT - 2)
    finally:
        painter.end()
    return QIcon(pixmap)


def _image(grey: NDArray[np.uint8]) -> QImage:
    grey = np.ascontiguousarray(grey)
    height, width = grey.shape
    image = QImage(
        grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8
    )
    return image.copy()  # the bytes are gone when this returns


def _png(grey: NDArray[np.uint8]) -> str:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    _image(grey).save(buffer, "PNG")
    return bytes(data.toBase64().data()).decode("ascii")
