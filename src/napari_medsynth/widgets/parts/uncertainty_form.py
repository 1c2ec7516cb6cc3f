"""UncertaintyForm: how syntheses are varied, and what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.widgets._uncertainty_jobs import (
    AUGMENTATION,
    DROPOUT,
    ENSEMBLE,
    VariantSettings,
)
from napari_medsynth.widgets._uncertainty_words import LIMITS

from .model_list import ModelList
from .plain import plain_label
from .run_box import RunBox

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard

METHODS = {
    AUGMENTATION: (
        "augmentation",
        "Shows the model its sources a little shifted, brighter or darker, and "
        "mirrored if the model may be.",
    ),
    DROPOUT: ("dropout", "Switches random parts of the network off."),
    ENSEMBLE: ("ensemble", "Asks several models for the same image."),
}
EXTENTS = {"current": "current slice", "volume": "whole volume"}
_FEWEST, _MOST, _USUAL = 2, 64, 8
_TOP_LIMIT = 60  # %


class UncertaintyForm(QWidget):
    """All widgets of the section, laid out; runs nothing.

    Signals: ``edited`` when the variants are others now; ``limit_changed`` when the
    slider moved.
    """

    edited = Signal()
    limit_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._limits = dict(LIMITS)
        self._kind = "spread"
        self._reasons: dict[str, str] = {}
        self._offered: list[ModelCard] | None = None
        self.method_combo = QComboBox()
        for row, (method, (title, tip)) in enumerate(METHODS.items()):
            self.method_combo.addItem(title, method)
            self.method_combo.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.method_combo.setAccessibleName("How the syntheses are varied")
        self.method_label = plain_label("Why a method cannot be used")
        self.others_list = ModelList()
        self.others_list.setAccessibleName("Other models of the ensemble")
        self.others_list.setToolTip(
            "Models that are asked for the same image, beside the one above."
        )
        self.n_box = QSpinBox()
        self.n_box.setRange(_FEWEST, _MOST)
        self.n_box.setValue(_USUAL)
        self.n_box.setToolTip("How many syntheses; each takes as long as a plain one.")
        self.extent_combo = QComboBox()
        for extent, title in EXTENTS.items():
            self.extent_combo.addItem(title, extent)
        self.extent_combo.setToolTip("What is run; slices that were run stay.")
        self.mean_box = QCheckBox("Show the mean too")
        self.mean_box.setToolTip("The mean of the syntheses, as a synthetic image.")
        self.limit_slider = QSlider(Qt.Orientation.Horizontal)
        self.limit_slider.setRange(1, _TOP_LIMIT)
        self.limit_slider.setAccessibleName("Limit of what is trusted")
        self.limit_label = QLabel()
        self.run_box = _run_box()
        self.statement_label = plain_label("What the interval promises")
        self.marked_label = plain_label("How much is not to be trusted")
        self._lay_out()
        self.show_limit_of("spread")
        self._update()
        self.method_combo.currentIndexChanged.connect(self._on_edited)
        self.n_box.valueChanged.connect(self._on_edited)
        self.others_list.ticked.connect(self._on_edited)
        self.limit_slider.valueChanged.connect(self._on_limit_moved)

    def settings(self) -> VariantSettings:
        """Give how the syntheses are varied."""
        method = str(self.method_combo.currentData())
        if method != ENSEMBLE:
            return VariantSettings(method, self.n_box.value())
        others = tuple(self.others_list.cards().values())
        return VariantSettings(method, len(others) + 1, others)

    def get_limit(self) -> float:
        """Share of the range above which nothing is trusted."""
        return self.limit_slider.value() / 100

    @property
    def extent(self) -> str:
        """A key of `EXTENTS`."""
        return str(self.extent_combo.currentData())

    def reason(self) -> str:
        """Say why the chosen method cannot be used; "" if it can."""
        settings = self.settings()
        if settings.method == ENSEMBLE and not settings.others:
            return self._reasons.get(ENSEMBLE) or "Tick another model for the ensemble."
        return self._reasons.get(settings.method, "")

    def set_others(self, cards: list[ModelCard]) -> None:
        """Offer other models for an ensemble; the same again changes nothing."""
        if cards == self._offered:
            return
        self._offered = list(cards)
        self.others_list.set_cards(cards)
        self.set_method_reason(
            ENSEMBLE,
            ""
            if cards
            else "An ensemble needs another model that makes the same of these "
            "sources: import or fine-tune one.",
        )

    def set_method_reason(self, method: str, reason: str) -> None:
        """Grey a method, with the reason; or "" to offer it."""
        self._reasons[method] = reason
        row = self.method_combo.findData(method)
        model = self.method_combo.model()
        if isinstance(model, QStandardItemModel) and (item := model.item(row)):
            item.setEnabled(not reason)
            item.setToolTip(reason or METHODS[method][1])
        self._update()

    def show_limit_of(self, kind: str) -> None:
        """Have the slider set the limit of the "interval" or of the "spread"."""
        self._kind = kind
        with QSignalBlocker(self.limit_slider):
            self.limit_slider.setValue(self._limits[kind])
        what = {
            "interval": "the true value may be further away than this share of the "
            "range",
            "spread": "the syntheses differ by more than this share of the range "
            "(without a calibration, this is not the error)",
        }[kind]
        self.limit_slider.setToolTip(f"Hatch where {what}.")
        self._show_limit()

    def say_marked(self, sentence: str) -> None:
        """Say how much is marked; "" for nothing."""
        self.marked_label.setText(sentence)
        self.marked_label.setVisible(bool(sentence))

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {
            "method": self.method_combo.currentData(),
            "n": self.n_box.value(),
            "extent": self.extent,
            "mean": self.mean_box.isChecked(),
            "limits": dict(self._limits),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        for combo, name in (
            (self.method_combo, "method"),
            (self.extent_combo, "extent"),
        ):
            index = combo.findData(values.get(name))
            if index >= 0:
                combo.setCurrentIndex(index)
        if isinstance(values.get("n"), int):
            self.n_box.setValue(values["n"])
        if isinstance(values.get("mean"), bool):
            self.mean_box.setChecked(values["mean"])
        limits = values.get("limits")
        for kind in self._limits:
            value = limits.get(kind) if isinstance(limits, dict) else None
            if isinstance(value, int) and 1 <= value <= _TOP_LIMIT:
                self._limits[kind] = value
        self.show_limit_of(self._kind)

    def _lay_out(self) -> None:
        limit = QHBoxLayout()
        limit.addWidget(self.limit_slider, 1)
        limit.addWidget(self.limit_label)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Method", self.method_combo)
        form.addRow(self.method_label)
        form.addRow(self.others_list)
        form.addRow("Variants", self.n_box)
        form.addRow("Of", self.extent_combo)
        form.addRow(self.mean_box)
        self._form = form
        hatched = QFormLayout()
        hatched.setContentsMargins(0, 0, 0, 0)
        title = QLabel("Hatch a&bove")
        title.setBuddy(self.limit_slider)
        hatched.addRow(title, limit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.run_box)
        column.addLayout(hatched)
        column.addWidget(self.marked_label)
        column.addWidget(self.statement_label)
        self.marked_label.hide()

    def _update(self) -> None:
        is_ensemble = self.method_combo.currentData() == ENSEMBLE
        self._form.setRowVisible(self.others_list, is_ensemble)
        self._form.setRowVisible(self.n_box, not is_ensemble)
        reason = self.reason()
        self.method_label.setText(reason)
        self._form.setRowVisible(self.method_label, bool(reason))
        _, tip = METHODS[str(self.method_combo.currentData())]
        self.method_combo.setToolTip(tip)

    def _on_edited(self) -> None:
        self._update()
        self.edited.emit()

    def _on_limit_moved(self) -> None:
        self._limits[self._kind] = self.limit_slider.value()
        self._show_limit()
        self.limit_changed.emit()

    def _show_limit(self) -> None:
        self.limit_label.setText(f"{self.limit_slider.value()} %")


def _run_box() -> RunBox:
    box = RunBox()
    box.run_button.setText("&Estimate")
    box.run_button.setToolTip("Synthesise several times.")
    box.cancel_button.setToolTip("Stop at once; what is done stays (Esc).")
    return box
