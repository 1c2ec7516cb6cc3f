"""MapSourceBox: which attention is shown, and in which direction it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QSpinBox, QWidget

from napari_medsynth.explain.methods import METHODS, MapSource

from .plain import plain_label

# those that have a map for every source
SOURCE_METHODS = ("gradient_times_input", "integrated_gradients")
DIRECTIONS = {
    False: "where did it look to paint this?",
    True: "what used this?",
}


class MapSourceBox(QWidget):
    """Method, block, layer, head and direction; only what a method needs is shown."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sizes: dict[str, tuple[int, int]] = {}
        self._remembered = ""
        self.method_combo = _combo("How the attention of all layers becomes one map.")
        for name, method in METHODS.items():
            self.method_combo.addItem(method.title, name)
            index = self.method_combo.count() - 1
            tip = f"{method.description} {method.reference}".strip()
            self.method_combo.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.direction_combo = _combo("Ask what a place needed, or what it was for.")
        for is_reverse, title in DIRECTIONS.items():
            self.direction_combo.addItem(title, is_reverse)
        self.block_combo = _combo("Transformer block of the network.")
        self.block_combo.addItem("all blocks", "")
        self.layer_spin = _spin("Layer of the block, the first is 1.", "Layer")
        self.head_spin = _spin("Head of the layer, the first is 1.", "Head")
        self.modality_combo = _combo("Image whose part in the result is shown.")
        self.modality_combo.addItem("all images", "")
        self.about_label = plain_label("What the method shows")
        self._lay_out()
        for combo in (
            self.method_combo,
            self.direction_combo,
            self.block_combo,
            self.modality_combo,
        ):
            combo.currentIndexChanged.connect(self._on_changed)
        for spin in (self.layer_spin, self.head_spin):
            spin.valueChanged.connect(self._on_changed)
        self._show_settings()

    @property
    def is_reverse(self) -> bool:
        """Whether it is asked what used the place, instead of what the place used."""
        return bool(self.direction_combo.currentData())

    @property
    def modality(self) -> str:
        """Source whose part is shown, of `SOURCE_METHODS`; "" for all."""
        return str(self.modality_combo.currentData())

    def source(self) -> MapSource:
        """Give what is chosen."""
        return MapSource(
            self.method_combo.currentData(),
            self.block_combo.currentData(),
            self.layer_spin.value() - 1,
            self.head_spin.value() - 1,
        )

    def choose(self, source: MapSource, *, is_reverse: bool | None = None) -> None:
        """Choose all of `source` and say so once; what is not offered is left out."""
        before = (self.source(), self.is_reverse)
        with QSignalBlocker(self):
            _pick(self.method_combo, source.method)
            _pick(self.block_combo, source.block)
            self._limit_spins()
            self.layer_spin.setValue(source.layer + 1)
            self.head_spin.setValue(source.head + 1)
            if is_reverse is not None:
                _pick(self.direction_combo, is_reverse)
        if (self.source(), self.is_reverse) != before:
            self.changed.emit()

    def set_blocks(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Offer the blocks of the models on the screen.

        Parameters
        ----------
        sizes : mapping
            Block to its numbers of layers and heads; the largest of all models.
        """
        if dict(sizes) == self._sizes:
            return
        self._sizes = dict(sizes)
        source = self.source()
        with QSignalBlocker(self):
            self.block_combo.clear()
            self.block_combo.addItem("all blocks", "")
            for block in sizes:
                self.block_combo.addItem(block, block)
            _pick(self.block_combo, source.block or self._remembered)
            self._remembered = ""
            self._limit_spins()
        if self.source() != source:
            self.changed.emit()

    def set_modalities(self, modalities: Sequence[str]) -> None:
        """Offer the sources that may be shown apart."""
        before = self.modality
        with QSignalBlocker(self):
            self.modality_combo.clear()
            self.modality_combo.addItem("all images", "")
            for modality in modalities:
                self.modality_combo.addItem(modality, modality)
            _pick(self.modality_combo, before)
        if self.modality != before:
            self.changed.emit()

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {**asdict(self.source()), "is_reverse": self.is_reverse}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        now = self.source()
        kinds = {name: type(value) for name, value in asdict(now).items()}
        known: dict[str, Any] = {
            k: values[k] for k in kinds if type(values.get(k)) is kinds[k]
        }
        self._remembered = str(known.get("block", ""))  # its model may yet be shown
        is_reverse = values.get("is_reverse")
        self.choose(
            replace(now, **known),
            is_reverse=is_reverse if isinstance(is_reverse, bool) else None,
        )

    def _lay_out(self) -> None:
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("M&ethod", self.method_combo)
        self._form.addRow(self.about_label)
        self._form.addRow("&Ask", self.direction_combo)
        self._form.addRow("&Block", self.block_combo)
        self._form.addRow("La&yer", self.layer_spin)
        self._form.addRow("&Head", self.head_spin)
        self._form.addRow("&Image", self.modality_combo)

    def _show_settings(self) -> None:
        name = self.method_combo.currentData()
        method = METHODS[name]
        self.about_label.setText(method.description)
        self._form.setRowVisible(self.block_combo, method.needs_attention)
        self._form.setRowVisible(self.layer_spin, name in ("layer", "head"))
        self._form.setRowVisible(self.head_spin, name == "head")
        self._form.setRowVisible(self.modality_combo, name in SOURCE_METHODS)
        if not (method.can_forward and method.can_reverse):
            _pick(self.direction_combo, method.can_reverse)
        self.direction_combo.setEnabled(method.can_forward and method.can_reverse)

    def _limit_spins(self) -> None:
        block = self.block_combo.currentData()
        sizes = [self._sizes[block]] if block in self._sizes else self._sizes.values()
        for spin, side in ((self.layer_spin, 0), (self.head_spin, 1)):
            spin.setMaximum(min((size[side] for size in sizes), default=spin.maximum()))

    def _on_changed(self) -> None:
        with QSignalBlocker(self), QSignalBlocker(self.direction_combo):
            self._limit_spins()
            self._show_settings()
        self.changed.emit()


def _pick(combo: QComboBox, value: object) -> None:
    """Choose the item that holds `value`, if there is one."""
    index = combo.findData(value)
    if index >= 0:
        combo.setCurrentIndex(index)


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(10)
    combo.setToolTip(tip)
    return combo


def _spin(tip: str, name: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(1, 99)
    spin.setToolTip(tip)
    spin.setAccessibleName(name)
    return spin
