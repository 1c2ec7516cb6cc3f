"""LayerPicks: which open images are learnt from, each a subject of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_medsynth.widgets._layers import layer_modality
from napari_medsynth.widgets._notice import is_synthetic

from .modality_table import MR_CONTRASTS, is_candidate

if TYPE_CHECKING:
    from napari.layers import Layer

_LIKE = {"MR": MR_CONTRASTS, "X-ray": {"CXR"}}


class LayerPicks(QWidget):
    """A check box for each grey image layer that a model of restoration can learn from.

    Real images of the right kind, or of an unknown one, are checked; others by hand.

    Signals: `changed` when other layers are checked.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: dict[Layer, QCheckBox] = {}
        self._contrast = ""
        self._chosen: dict[Layer, bool] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    def set_contrast(self, contrast: str) -> None:
        """Say what the model makes: "image", "MR", "X-ray", "T1", ..."""
        if contrast != self._contrast:
            self._contrast = contrast
            self._chosen = {}
            self.set_layers(list(self.boxes))

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Offer the grey image layers among `layers`."""
        was = self.layers()
        for box in self.boxes.values():
            box.setParent(None)
            box.deleteLater()
        self.boxes = {}
        for layer in filter(is_candidate, layers):
            box = QCheckBox(layer.name.replace("&", "&&"))
            box.setToolTip("Learn from this image; each is a subject of its own.")
            box.setChecked(self._chosen.get(layer, self._suits(layer)))
            box.clicked.connect(self._on_clicked)
            self._column.addWidget(box)
            self.boxes[layer] = box
        self._chosen = {
            x: is_on for x, is_on in self._chosen.items() if x in self.boxes
        }
        if self.layers() != was:
            self.changed.emit()

    def layers(self) -> dict[str, Layer]:
        """Give what is checked, by name."""
        return {x.name: x for x, box in self.boxes.items() if box.isChecked()}

    def _suits(self, layer: Layer) -> bool:
        from napari_medsynth.training.data.single import ANY

        if is_synthetic(layer):
            return False
        modality, wanted = layer_modality(layer), self._contrast
        is_any = wanted == "image" or (not modality and wanted in ANY)
        return is_any or modality == wanted or modality in _LIKE.get(wanted, ())

    def _on_clicked(self) -> None:
        for layer, box in self.boxes.items():
            if box.isChecked() != self._chosen.get(layer, self._suits(layer)):
                self._chosen[layer] = box.isChecked()
        self.changed.emit()
