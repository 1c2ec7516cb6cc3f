"""Dock: sections on one page that scrolls, remembered choices, an orderly end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from ._activation import prepare_viewer
from ._preferences import Preferences, keep, recall
from ._torch import warm_up
from ._turns import single_shot
from .parts.section import Section

if TYPE_CHECKING:
    from napari import Viewer

_WARM_UP_AFTER = 1500  # ms


class Dock(QWidget):
    """What our docks have in common; subclasses add sections and fill two methods.

    Parameters
    ----------
    viewer : Viewer
    name : str
        Under which its choices are remembered.
    """

    def __init__(
        self, viewer: Viewer, name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._name = name
        self._is_settled = False
        self.sections: dict[str, Section] = {}
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(scroll, 1)
        self.setMinimumSize(330, 360)  # a dock squeezes what has none
        self._settle_timer = single_shot(self, 0, self.settle)
        self._warm_up_timer = single_shot(self, _WARM_UP_AFTER, warm_up)

    def add_section(self, title: str, *widgets: QWidget, is_open: bool = True) -> None:
        """Add a section that can be folded, below those that are there."""
        section = Section(title)
        for widget in widgets:
            section.addWidget(widget)
        if is_open:
            section.expand(animate=False)
        self.sections[title] = section
        self._column.insertWidget(self._column.count() - 1, section)

    def on_close(self, close: Callable[..., object]) -> None:
        """Call `close` once the dock is destroyed or the application ends.

        Docks get no closeEvent; when they are destroyed, their own methods are not
        called any more and their children are gone. So `close` is a function, or a
        method of an object that is no widget, and may be called twice.
        """
        self.destroyed.connect(close)
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(close)

    def settle(self) -> None:
        """Do what would delay the opening: napari reads every plugin's preferences.

        Called by itself once the dock is shown; again, it changes nothing.
        """
        if self._is_settled:
            return
        self._is_settled = True
        prepare_viewer(self._viewer)
        Preferences().apply_home()
        kept = recall(self._name)
        opened = kept.get("open")
        if isinstance(opened, dict):
            self._set_open(opened)
        self.set_from_json(kept)

    def remember(self) -> None:
        """Keep the choices until the next session, once they have been recalled."""
        if self._is_settled:
            opened = {t: s.isExpanded() for t, s in self.sections.items()}
            keep(self._name, {**self.to_json(), "open": opened})

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._settle_timer.start()
        self._warm_up_timer.start()

    def _set_open(self, opened: Mapping[str, Any]) -> None:
        for title, section in self.sections.items():
            if opened.get(title) is True:
                section.expand(animate=False)
            elif opened.get(title) is False:
                section.collapse(animate=False)
