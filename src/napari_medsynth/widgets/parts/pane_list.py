"""PaneList: which of the open layers are compared, in hanging order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from napari_medsynth.widgets._hanging import MAPS, hang
from napari_medsynth.widgets._roles import Role, Shown, shown_layers

if TYPE_CHECKING:
    from napari.layers import Layer

_IMAGES = (Role.SOURCE, Role.TRUTH, Role.SYNTHESIS)
_ROWS = 7  # visible at most, before the list scrolls
_NOTHING = "Open images to compare them: sources, a synthesis, the real image."


class PaneList(QWidget):
    """A check box per layer, and the anatomy that maps are laid over.

    A layer is checked when it comes, unless it is a trust map; unchecking it by hand
    holds as long as the layer lives.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._panes: list[Shown] = []
        self._checked: dict[object, bool] = {}
        self.list = QListWidget()
        self.list.setAccessibleName("Images to compare")
        self.list.setToolTip("Check what is to be shown side by side, in this order.")
        self.list.itemChanged.connect(self._on_item_changed)
        self.anatomy_combo = QComboBox()
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.anatomy_combo.setSizeAdjustPolicy(policy)
        self.anatomy_combo.setMinimumContentsLength(8)
        self.anatomy_combo.setToolTip("Image under attention and trust maps.")
        self.anatomy_combo.activated.connect(self._on_anatomy_activated)
        self.anatomy_label = QLabel("Maps over")
        self.anatomy_label.setBuddy(self.anatomy_combo)
        self.hint = QLabel(_NOTHING)
        self.hint.setWordWrap(True)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow(self.hint)
        layout.addRow(self.list)
        layout.addRow(self.anatomy_label, self.anatomy_combo)
        self.set_layers([])

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Show the layers that can be panes; the choices for those that stay hold."""
        self._panes = hang(shown_layers(layers))
        known = {pane.layer.unique_id for pane in self._panes}
        self._checked = {k: v for k, v in self._checked.items() if k in known}
        with QSignalBlocker(self.list):
            self.list.clear()
            for pane in self._panes:
                self.list.addItem(self._item(pane))
        self._show_anatomies()
        row = max(self.list.sizeHintForRow(0), 18)
        height = row * min(max(len(self._panes), 2), _ROWS) + 6
        self.list.setFixedHeight(height)
        self.hint.setVisible(not self._panes)
        self.list.setVisible(bool(self._panes))

    def chosen(self) -> list[Shown]:
        """Give what is checked, in hanging order."""
        return [pane for pane in self._panes if self._is_checked(pane)]

    def images(self) -> list[Shown]:
        """Give every pane that shows an image or a map, checked or not."""
        return list(self._panes)

    def anatomy(self) -> Layer | None:
        """Give the layer under the maps; None if there is no image."""
        images = _images(self._panes)
        index = self.anatomy_combo.currentIndex()
        return images[index].layer if 0 <= index < len(images) else None

    def set_checked(self, layer: Layer, is_checked: bool) -> None:
        """Check or uncheck the pane of a layer, as a click does."""
        for row, pane in enumerate(self._panes):
            item = self.list.item(row)
            if item is not None and pane.layer == layer:
                state = Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
                item.setCheckState(state)

    def _is_checked(self, pane: Shown) -> bool:
        is_usual = pane.role is not Role.TRUST
        return self._checked.get(pane.layer.unique_id, is_usual)

    def _item(self, pane: Shown) -> QListWidgetItem:
        role = pane.role.value
        item = QListWidgetItem(f"{pane.layer.name}   \N{MIDDLE DOT} {role}")
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
        is_checked = self._is_checked(pane)
        item.setCheckState(
            Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
        )
        maker = f", made by {pane.model}" if pane.model else ""
        item.setToolTip(f"{pane.layer.name}: {role}{maker}.")
        return item

    def _show_anatomies(self) -> None:
        """Offer the images; the one that was chosen stays."""
        images = _images(self._panes)
        kept = self.anatomy_combo.currentText()
        names = [pane.layer.name for pane in images]
        with QSignalBlocker(self.anatomy_combo):
            self.anatomy_combo.clear()
            self.anatomy_combo.addItems(names)
            if names:
                index = names.index(kept) if kept in names else 0
                self.anatomy_combo.setCurrentIndex(index)
        is_used = bool(names) and any(pane.role in MAPS for pane in self._panes)
        self.anatomy_label.setVisible(is_used)
        self.anatomy_combo.setVisible(is_used)

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        pane = self._panes[self.list.row(item)]
        is_checked = item.checkState() == Qt.CheckState.Checked
        self._checked[pane.layer.unique_id] = is_checked
        self.changed.emit()

    def _on_anatomy_activated(self, index: int) -> None:
        self.changed.emit()


def _images(panes: Sequence[Shown]) -> list[Shown]:
    return [pane for pane in panes if pane.role in _IMAGES]
