"""OptionsBox: plane, range, device, precision and attention, folded away."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from napari_medsynth.catalogue import ModelCard

from .section import Section

PLANES = ("axial", "coronal", "sagittal")
EXTENTS = {
    "volume": "whole volume",
    "current": "current slice",
    "selected": "selected slices",
}
DEVICES = ("auto", "cpu", "mps" if sys.platform == "darwin" else "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
ATTENTIONS = {
    "": "none",
    "rollout": "rollout",
    "chain": "chain of the authors",
    "mean": "mean",
}


@dataclass(frozen=True)
class RunOptions:
    """How to run a model.

    Parameters
    ----------
    plane : str
        "axial", "coronal" or "sagittal".
    extent : str
        "volume", "current" (the slice that is shown) or "selected" (`first` to `last`).
    first, last : int
        Slices along the plane's axis, both included.
    device, precision : str
        As `napari_medsynth.engine.predict` takes them.
    attention : str
        Which attention to record, "" for none.
    """

    plane: str = "axial"
    extent: str = "volume"
    first: int = 0
    last: int = 0
    device: str = "auto"
    precision: str = "auto"
    attention: str = ""


class OptionsBox(Section):
    """The form of `RunOptions`."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Options", parent)
        self.plane_combo = _combo({p: p for p in PLANES}, "Slices the model works on.")
        self.extent_combo = _combo(EXTENTS, "How much of the volume to synthesise.")
        self.device_combo = _combo({d: d for d in DEVICES}, "Where the model runs.")
        self.precision_combo = _combo(
            {p: p for p in PRECISIONS},
            "Arithmetic of the model; auto is safe and fast.",
        )
        self.attention_combo = _combo(
            ATTENTIONS, "Also show where the model looked; costs a little time."
        )
        self.first_spin = _spin("First slice to synthesise, as on the slider.")
        self.last_spin = _spin("Last slice to synthesise, as on the slider.")
        self._slices = QWidget()
        self._lay_out()
        for combo in self._combos().values():
            combo.currentIndexChanged.connect(self._on_changed)
        self.first_spin.valueChanged.connect(self._on_changed)
        self.last_spin.valueChanged.connect(self._on_changed)
        self._on_changed()

    def options(self) -> RunOptions:
        """Give what is chosen."""
        return RunOptions(
            first=self.first_spin.value(),
            last=self.last_spin.value(),
            **{name: combo.currentData() for name, combo in self._combos().items()},
        )

    def set_options(self, values: Mapping[str, Any]) -> None:
        """Choose `values`, as far as they are known; the others stay."""
        with QSignalBlocker(self):
            for name, combo in self._combos().items():
                index = combo.findData(values.get(name))
                if index >= 0:
                    combo.setCurrentIndex(index)
            for name, spin in (("first", self.first_spin), ("last", self.last_spin)):
                if isinstance(values.get(name), int):
                    spin.setValue(values[name])
        self._on_changed()

    def to_json(self) -> dict[str, str]:
        """Give what is worth remembering: not the slices of one volume."""
        return {name: combo.currentData() for name, combo in self._combos().items()}

    def set_card(self, card: ModelCard | None) -> None:
        """Mark the planes that the model was not trained on."""
        for index, plane in enumerate(PLANES):
            is_trained = card is None or plane in card.planes
            self.plane_combo.setItemText(
                index, plane if is_trained else f"{plane} (not trained on)"
            )

    def set_n_slices(self, n_slices: int) -> None:
        """Allow slices 0 to ``n_slices - 1``; another number selects all of them."""
        last = max(n_slices - 1, 0)
        if last == self.last_spin.maximum():
            return
        with QSignalBlocker(self.first_spin), QSignalBlocker(self.last_spin):
            for spin, value in ((self.first_spin, 0), (self.last_spin, last)):
                spin.setMaximum(last)
                spin.setValue(value)

    def _combos(self) -> dict[str, QComboBox]:
        return {
            "plane": self.plane_combo,
            "extent": self.extent_combo,
            "device": self.device_combo,
            "precision": self.precision_combo,
            "attention": self.attention_combo,
        }

    def _lay_out(self) -> None:
        line = QHBoxLayout(self._slices)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.first_spin, 1)
        line.addWidget(QLabel("to"))
        line.addWidget(self.last_spin, 1)
        content = QWidget()
        self._form = QFormLayout(content)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Pla&ne", self.plane_combo)
        self._form.addRow("Ran&ge", self.extent_combo)
        self._form.addRow("Slices", self._slices)
        self._form.addRow("&Device", self.device_combo)
        self._form.addRow("Prec&ision", self.precision_combo)
        self._form.addRow("&Attention", self.attention_combo)
        self.addWidget(content)

    def _on_changed(self) -> None:
        is_selected = self.extent_combo.currentData() == "selected"
        self._form.setRowVisible(self._slices, is_selected)
        self.changed.emit()


def _combo(choices: Mapping[str, str], tip: str) -> QComboBox:
    combo = QComboBox()
    for value, text in choices.items():
        combo.addItem(text, value)
    combo.setToolTip(tip)
    return combo


def _spin(tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setMaximum(0)
    spin.setToolTip(tip)
    spin.setAccessibleName(tip)
    return spin
