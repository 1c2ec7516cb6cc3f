"""Colours of curves, and the swatches that tell which is which."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QIcon, QPixmap

# Okabe and Ito: told apart by colour-blind people, readable on dark and on light
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#d55e00", "#8f8fdd", "#b09c2e")


def colour_of(number: int) -> str:
    """Give the colour of the n-th curve."""
    return COLOURS[number % len(COLOURS)]


def swatch(colour: str) -> QIcon:
    """Give a small square of a colour."""
    pixmap = QPixmap(QSize(12, 12))
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
