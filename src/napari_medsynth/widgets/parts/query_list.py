"""QueryList: the pinned queries, each in its colour, and buttons for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPixmap, QShortcut
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .plain import plain_label, push_button

if TYPE_CHECKING:
    from napari.layers import Layer

_HINT = (
    "Shift+click on an image: where did each model look to paint this place? "
    "Shift+drag asks about what you draw around."
)
_SWATCH = 12  # pixels
_ROWS = 3


class QueryList(QWidget):
    """Pinned queries, a layer to ask about, and what to do with the current query.

    Signals: `pin_clicked`, `whole_clicked`, `removed` with the number of a pin,
    `picked` with the number of a pin, `layer_asked` with a layer.
    """

    pin_clicked = Signal()
    whole_clicked = Signal()
    removed = Signal(int)
    picked = Signal(int)
    layer_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Layer] = []
        self.hint_label = plain_label("How to ask")
        self.hint_label.setText(_HINT)
        self.pin_button = push_button(
            "&Pin", "Keep this query in a colour of its own; the next one is added."
        )
        self.whole_button = push_button(
            "&Whole slice", "Ask about no place in particular: what was looked at most?"
        )
        self.pins = QListWidget()
        self.pins.setAccessibleName("Pinned queries")
        self.pins.setToolTip("Double click goes there; Delete removes.")
        self.pins.setFixedHeight(_ROWS * self.fontMetrics().lineSpacing() + 14)
        self.remove_button = push_button("Re&move", "Remove the selected pin (Delete).")
        self.layer_combo = QComboBox()
        self.layer_combo.setAccessibleName("Layer that marks a region")
        self.layer_combo.setToolTip(
            "A Points, Shapes or Labels layer that marks what to ask about."
        )
        self.layer_combo.setMinimumContentsLength(8)
        self.layer_combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.ask_button = push_button(
            "As&k", "Ask about what this layer marks on the current slice."
        )
        self._lay_out()
        self._connect()
        self.set_layers(())
        self.set_pins(())

    def set_pins(self, pins: Iterable[tuple[int, str, str]]) -> None:
        """Show pins: number, colour "#rrggbb", words."""
        with QSignalBlocker(self.pins):
            self.pins.clear()
            for number, colour, words in pins:
                item = QListWidgetItem(_swatch(colour), words)
                item.setData(Qt.ItemDataRole.UserRole, number)
                self.pins.addItem(item)
        self.pins.setVisible(self.pins.count() > 0)
        self.remove_button.setVisible(self.pins.count() > 0)

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Offer layers that mark regions; the last is chosen unless another was."""
        chosen = self.layer()
        self._layers = list(layers)
        self.layer_combo.clear()
        self.layer_combo.addItems([layer.name for layer in self._layers])
        kept = self._layers.index(chosen) if chosen in self._layers else -1
        self.layer_combo.setCurrentIndex(kept if kept >= 0 else len(self._layers) - 1)
        self.layer_combo.setVisible(bool(self._layers))
        self.ask_button.setVisible(bool(self._layers))

    def layer(self) -> Layer | None:
        """Give the chosen layer that marks a region."""
        index = self.layer_combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def set_askable(self, *, can_pin: bool, can_reset: bool) -> None:
        """Enable what makes sense for the current query."""
        self.pin_button.setEnabled(can_pin)
        self.whole_button.setEnabled(can_reset)

    def _lay_out(self) -> None:
        buttons, region = QHBoxLayout(), QHBoxLayout()
        for button in (self.pin_button, self.whole_button, self.remove_button):
            buttons.addWidget(button)
        region.addWidget(self.layer_combo, 1)
        region.addWidget(self.ask_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hint_label)
        layout.addLayout(buttons)
        layout.addWidget(self.pins)
        layout.addLayout(region)

    def _connect(self) -> None:
        self.pin_button.clicked.connect(self._on_pin_clicked)
        self.whole_button.clicked.connect(self._on_whole_clicked)
        self.remove_button.clicked.connect(self._on_remove)
        self.ask_button.clicked.connect(self._on_ask_clicked)
        self.pins.itemActivated.connect(self._on_activated)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.pins)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self._on_remove)

    def _on_pin_clicked(self) -> None:
        self.pin_clicked.emit()

    def _on_whole_clicked(self) -> None:
        self.whole_clicked.emit()

    def _on_remove(self) -> None:
        item = self.pins.currentItem() or self.pins.item(self.pins.count() - 1)
        if item is not None:
            self.removed.emit(item.data(Qt.ItemDataRole.UserRole))

    def _on_ask_clicked(self) -> None:
        if (layer := self.layer()) is not None:
            self.layer_asked.emit(layer)

    def _on_activated(self, item: QListWidgetItem) -> None:
        self.picked.emit(item.data(Qt.ItemDataRole.UserRole))


def _swatch(colour: str) -> QIcon:
    pixels = QPixmap(_SWATCH, _SWATCH)
    pixels.fill(QColor(colour))
    return QIcon(pixels)
