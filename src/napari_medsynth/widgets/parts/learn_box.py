"""LearnBox: which model learns which contrasts, how long, and what it is called."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import MedSynthError

from .config_form import ConfigForm
from .contrast_combos import ContrastCombos
from .model_box import ModelBox
from .plain import plain_label
from .target_boxes import TargetBoxes

if TYPE_CHECKING:
    from napari_medsynth.training import TrainConfig

USUAL_PRESET = "standard"
CUSTOM = "custom"
# Where a run takes place is not part of how a model learns: presets leave it.
_MACHINE = ("device", "precision", "n_threads", "seed")
_UNMEASURED = "Time: measured on the first slices after Start."
_FRESH = (
    "Not trained: it starts from fresh weights, and there is no base to compare it "
    "with afterwards."
)


class LearnBox(QWidget):
    """Base model, targets, preset, name of the new model, and all settings.

    A base may be a network that is not trained yet: then its contrasts are chosen, and
    it learns by its published recipe.

    Signals: `changed` with any choice; `card_changed` with `card`.
    """

    changed = Signal()
    card_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_box = ModelBox(accepts=can_learn, untrained="enabled")
        self.fresh_label = plain_label()
        self.fresh_label.setText(_FRESH)
        self.contrast_combos = ContrastCombos()
        self.target_boxes = TargetBoxes()
        self.preset_combo = QComboBox()
        self.preset_combo.setToolTip(
            "How long and how carefully to learn; it fills in all settings below."
        )
        self.estimate_label = QLabel(_UNMEASURED)
        self.estimate_label.setWordWrap(True)
        self.name_edit = QLineEdit()
        self.name_edit.setMaxLength(80)
        self.name_edit.setToolTip("What the new model is called in the list of models.")
        self.form = ConfigForm()
        self._preset = USUAL_PRESET  # also while the settings are custom
        self._shown: ModelCard | None = None  # whose presets are offered
        self._lay_out()
        self._choose_preset(USUAL_PRESET)
        self._on_card_changed(self.model_box.card)
        self.model_box.card_changed.connect(self._on_card_changed)
        self.contrast_combos.changed.connect(self._on_contrasts_changed)
        self.target_boxes.changed.connect(self.changed)
        self.name_edit.textEdited.connect(self.changed)
        self.preset_combo.textActivated.connect(self._choose_preset)
        self.form.changed.connect(self._on_settings_changed)

    @property
    def card(self) -> ModelCard | None:
        """Of what learns, with the contrasts that are chosen."""
        card = self.model_box.card
        return self.contrast_combos.applied_to(card) if card else None

    @property
    def is_fresh(self) -> bool:
        """Whether it starts from fresh weights."""
        return self.model_box.card is not None and not self.model_box.card.is_trained

    def pairing(self) -> str:
        """Say what the objective learns from: "paired" data, or "unpaired"."""
        is_made_up = self.card is not None and self.card.is_restoration
        is_cycle = self.config().objective == "cycle" and not is_made_up
        return "unpaired" if is_cycle else "paired"

    def base(self) -> str:
        """Give the id of what learns; "" if there is nothing."""
        return self.card.id if self.card else ""

    def targets(self) -> tuple[str, ...]:
        """Give the contrasts to learn, in the card's order."""
        return self.target_boxes.targets()

    def config(self) -> TrainConfig:
        """Give the settings."""
        return self.form.config()

    def name(self) -> str:
        """Give the title of the new model."""
        return self.name_edit.text().strip() or self.name_edit.placeholderText()

    def reason(self) -> str:
        """Say why nothing can be learnt; "" if it can."""
        if self.card is None:
            return "No model with weights is installed: import one to start from."
        if not self.targets():
            return "Nothing to learn: choose at least one contrast as target."
        return self.contrast_combos.reason() or _why_not(self.config(), self.card)

    def set_contrasts(self, contrasts: Collection[str]) -> None:
        """Say which contrasts the data have: others cannot be learnt. () if unknown."""
        self.target_boxes.set_contrasts(contrasts)

    def set_found(self, contrasts: Collection[str]) -> None:
        """Say which contrasts there are at all, for those that can be chosen."""
        self.contrast_combos.set_found(contrasts)

    def show_estimate(self, seconds: float | None) -> None:
        """Show how long the run will take, measured; None if that is not known."""
        about = _UNMEASURED
        if seconds is not None:
            about = f"Time: about {_roughly(seconds)}, measured on the first slices."
        self.estimate_label.setText(about)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {
            "model": self.base(),
            "contrasts": self.contrast_combos.to_json(),
            "left_out": self.target_boxes.left_out(),
            "preset": self._preset,
            "config": self.form.to_json(),
            "is_open": self.form.advanced.isExpanded(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        self.model_box.choose(str(values.get("model", "")))
        self.contrast_combos.set_from_json(values.get("contrasts"))
        left_out = values.get("left_out")
        if isinstance(left_out, list):
            self.target_boxes.leave_out(left_out)
        preset = values.get("preset")
        if preset in self._presets():
            self._choose_preset(preset)
        config = values.get("config")
        if isinstance(config, dict) and config:
            self.form.set_from_json(config)
        if values.get("is_open") is True:
            self.form.advanced.expand(animate=False)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.model_box.refresh()  # models may have been kept or imported meanwhile

    def _lay_out(self) -> None:
        rows = QWidget()
        form = QFormLayout(rows)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(self.fresh_label)
        form.addRow(self.contrast_combos)
        form.addRow("Targets", self.target_boxes)
        form.addRow("&Preset", self.preset_combo)
        form.addRow(self.estimate_label)
        form.addRow("Ne&w name", self.name_edit)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.model_box, rows, self.form):
            column.addWidget(part)
        self._rows = form
        self.estimate_label.setTextFormat(Qt.TextFormat.PlainText)

    def _on_card_changed(self, card: ModelCard | None) -> None:
        self.contrast_combos.set_card(card)
        self.fresh_label.setVisible(self.is_fresh)
        how = "trained here" if self.is_fresh else "tuned"
        self.name_edit.setPlaceholderText(f"{card.title}, {how}" if card else "")
        self._offer_presets()
        self._on_contrasts_changed()

    def _on_contrasts_changed(self) -> None:
        card = self.card
        self.target_boxes.set_card(card)
        is_asked = card is not None and (card.is_unified or len(card.outputs) > 1)
        self._rows.setRowVisible(self.target_boxes, is_asked or not self.is_fresh)
        self.card_changed.emit(card)
        self.changed.emit()

    def _presets(self) -> tuple[str, ...]:
        from napari_medsynth.training.presets import preset_names

        return preset_names(self.model_box.card)

    def _offer_presets(self) -> None:
        """Offer what the card has, and choose its recipe if it is not trained."""
        card, was = self.model_box.card, self._shown
        self._shown = card
        names, chosen = self._presets(), self.preset_combo.currentText()
        with QSignalBlocker(self.preset_combo):
            self.preset_combo.clear()
            self.preset_combo.addItems([*names, CUSTOM])
            self.preset_combo.setCurrentText(chosen)
        if self.is_fresh:
            self._choose_preset(names[0])
        elif was is not None and not was.is_trained:
            self._choose_preset(USUAL_PRESET)
        elif chosen != CUSTOM:
            self._choose_preset(self._preset if self._preset in names else USUAL_PRESET)

    def _choose_preset(self, name: str) -> None:
        """Fill in all settings as the preset says, but not where to run."""
        if name == CUSTOM:
            self._on_settings_changed()  # one becomes custom by changing something
            return
        settings = self._settings(name)
        self._preset = name
        self.form.set_config(settings, usual=settings)
        self._on_settings_changed()

    def _on_settings_changed(self) -> None:
        """Name the preset that the settings are, or call them custom."""
        settings = self.config()
        same = [n for n in self._presets() if self._settings(n) == settings]
        chosen = self.preset_combo.currentText()
        with QSignalBlocker(self.preset_combo):
            name = chosen if chosen in same else (*same, CUSTOM)[0]
            self.preset_combo.setCurrentText(name)
        self.show_estimate(None)  # another run, another time
        self.changed.emit()

    def _settings(self, name: str) -> TrainConfig:
        """Give the settings of a preset, to be run where the shown ones are run."""
        from napari_medsynth.training.presets import settings_for

        machine = {key: getattr(self.config(), key) for key in _MACHINE}
        return replace(settings_for(self.model_box.card, name), **machine)


def can_learn(card: ModelCard) -> bool:
    """Tell whether a model learns from slices, by its weights or a published recipe."""
    return card.spatial_dims == 2 and (card.is_trained or bool(card.recipe))


def _why_not(config: TrainConfig, card: ModelCard | None) -> str:
    """Say what of the settings cannot work with a card; "" if all can."""
    from napari_medsynth.training.check_recipe import check_recipe

    try:
        if card is not None:
            check_recipe(config, card)
    except MedSynthError as err:
        return str(err)
    return ""


def _roughly(seconds: float) -> str:
    """Write a time without false precision: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60 // 5 * 5} min"
