"""Section: a part of a form that can be folded away."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Section(QCollapsible):
    """A collapsible that opens at once and is flush with what stands around it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.setDuration(0)
        self.toggleButton().setToolTip(f"Show or hide: {title}.")
        for layout in (self.layout(), self.content().layout()):
            if layout is not None:
                layout.setContentsMargins(0, 2, 0, 2)
