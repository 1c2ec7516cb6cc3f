"""LayerSlots: which open layer is which contrast of the one subject on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from .modality_row import NO_LAYER
from .modality_table import assign_layers, is_candidate

if TYPE_CHECKING:
    from napari.layers import Layer


class LayerSlots(QWidget):
    """One combo of layers per contrast, filled by metadata and names.

    ``changed`` is emitted when a contrast has got another layer.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combos: dict[str, QComboBox] = {}
        self._layers: list[Layer] = []
        self._chosen: dict[str, Layer | None] = {}
        self._assigned: dict[str, Layer | None] = {}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)

    def set_contrasts(self, contrasts: Sequence[str]) -> None:
        """Show a slot for each of `contrasts`."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self.combos = {}
        for contrast in contrasts:
            combo = QComboBox()
            policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            combo.setSizeAdjustPolicy(policy)
            combo.setMinimumContentsLength(8)
            combo.setToolTip(f"Layer that holds the real {contrast} image.")
            combo.setAccessibleName(f"{contrast} layer")
            combo.activated.connect(self._on_activated)
            self._form.addRow(contrast, combo)
            self.combos[contrast] = combo
        self._update()

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Offer the grey image layers among `layers`, and assign them."""
        self._layers = [layer for layer in layers if is_candidate(layer)]
        self._chosen = {
            contrast: layer
            for contrast, layer in self._chosen.items()
            if layer is None or layer in self._layers
        }
        self._update()

    def layers(self) -> dict[str, Layer]:
        """Give the layers, by contrast."""
        return {c: layer for c, layer in self._assigned.items() if layer is not None}

    def _on_activated(self) -> None:
        for contrast, combo in self.combos.items():
            index = combo.currentIndex()
            layer = self._layers[index - 1] if index > 0 else None
            if layer is not self._assigned[contrast]:
                self._chosen[contrast] = layer
        self._update()

    def _update(self) -> None:
        assigned = assign_layers(list(self.combos), self._layers, self._chosen)
        for contrast, combo in self.combos.items():
            layer = assigned[contrast]
            combo.clear()
            combo.addItems([NO_LAYER, *(x.name for x in self._layers)])
            combo.setCurrentIndex(self._layers.index(layer) + 1 if layer else 0)
        is_new = assigned != self._assigned
        self._assigned = assigned
        if is_new:
            self.changed.emit()
