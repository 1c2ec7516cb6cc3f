"""ImageCombo: choose one image layer; a choice stays as long as its layer does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_medsynth.widgets._notice import is_synthetic

from .modality_table import is_candidate

if TYPE_CHECKING:
    from napari.layers import Layer

NO_IMAGE = "(no image is open)"


class ImageCombo(QComboBox):
    """Offers grey images, but no maps and previews. Signal `layer_changed`."""

    layer_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(10)
        self._layers: list[Layer] = []
        self.layer: Layer | None = None
        self.activated.connect(self._on_activated)
        self.set_layers(())

    def set_layers(self, layers: Iterable[Layer], active: Layer | None = None) -> None:
        """Offer other layers; `active` is chosen if the last choice has gone."""
        self._layers = [layer for layer in layers if is_candidate(layer)]
        chosen = self.layer if self.layer in self._layers else self._first(active)
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._layers] or [NO_IMAGE])
            if chosen is not None:
                self.setCurrentIndex(self._layers.index(chosen))
        self.setEnabled(bool(self._layers))
        self._choose(chosen)

    def choose(self, layer: Layer) -> None:
        """Choose a layer, if it is offered."""
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer))
            self._choose(layer)

    def _first(self, active: Layer | None) -> Layer | None:
        """Give the layer to begin with: the active one, else the last real image."""
        if active in self._layers:
            return active
        real = [layer for layer in self._layers if not is_synthetic(layer)]
        return (real or self._layers or [None])[-1]

    def _choose(self, layer: Layer | None) -> None:
        if layer is not self.layer:
            self.layer = layer
            self.setToolTip(layer.name if layer is not None else "Open an image.")
            self.layer_changed.emit()

    def _on_activated(self, index: int) -> None:
        if 0 <= index < len(self._layers):
            self._choose(self._layers[index])
