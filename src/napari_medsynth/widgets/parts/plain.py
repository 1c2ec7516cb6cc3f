"""Labels and buttons as the parts of docks use them."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy


def plain_label(purpose: str = "") -> QLabel:
    """Give a label that wraps, shows plain text, and lets it be copied.

    Parameters
    ----------
    purpose : str
        What it is for, told by screen readers.
    """
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    label.setAccessibleDescription(purpose)
    return label


def push_button(text: str, tip: str) -> QPushButton:
    """Give a button that may become narrow in a narrow dock."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setMinimumWidth(40)
    return button
