"""AttentionForm: all that one chooses in the Attention dock, laid out; runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QPushButton, QWidget

from napari_medsynth.catalogue import ModelCard, list_cards

from ._attention_captions import short_of, tops_of
from ._attention_jobs import Job
from ._attention_plan import Plan
from ._dock import Dock
from ._layers import layer_modality
from ._notice import is_synthetic
from ._preferences import Preferences
from ._roles import facts
from .parts.map_look_box import MapLookBox
from .parts.map_source_box import MapSourceBox
from .parts.modality_table import ModalityTable, is_candidate
from .parts.model_list import ModelList
from .parts.options_box import PLANES, RunOptions
from .parts.pair_box import PairBox
from .parts.plain import plain_label, push_button
from .parts.query_list import QueryList
from .parts.run_box import RunBox
from .parts.state_chip import State

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

_WIDTH = 370  # the chips of the table and a scroll bar beside them
_FIRST_SOURCE = "the first image"


class AttentionForm(Dock):
    """Models, images, method, look, queries, two models, all slices.

    ``edited`` is emitted when other slices would come out: models, images, plane.
    """

    edited = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "attention", parent)
        self._images: list[Layer] = []
        self.show_button = QPushButton("S&how attention")
        self.show_button.setCheckable(True)
        self.show_button.setToolTip(
            "Show where the ticked models looked, on every slice that you go to. "
            "Off: show all as it was before. Shift+click on an image switches it on."
        )
        self.status_label = plain_label("What is going on")
        self.model_list = ModelList()
        self.both_button = push_button(
            "Befo&re and after",
            "Tick exactly two: the model before and after it was fine-tuned.",
        )
        self.modality_table = ModalityTable()
        self.plane_combo, self.anatomy_combo = QComboBox(), QComboBox()
        self.side_box = QCheckBox("Si&de by side, one cell per model")
        self.source_box, self.look_box = MapSourceBox(), MapLookBox()
        self.query_list, self.pair_box, self.run_box = QueryList(), PairBox(), RunBox()
        self.setMinimumWidth(_WIDTH)
        self._set_up()
        self._lay_out()
        self.show_button.toggled.connect(self._on_show_toggled)
        self.model_list.ticked.connect(self._on_models_ticked)
        self.both_button.clicked.connect(self._on_both_clicked)
        self.modality_table.changed.connect(self._on_edited)
        self.plane_combo.currentIndexChanged.connect(self._on_edited)
        self.refresh_models()

    def refresh_models(self) -> None:
        """Read the catalogue again; models may have been imported meanwhile."""
        cards = [card for card in list_cards() if card.spatial_dims == 2]
        self.model_list.set_cards(sorted(cards, key=lambda card: card.is_restoration))

    def set_layers(self, layers: list[Layer]) -> None:
        """Offer the images among `layers`; what is chosen stays if it can."""
        self.modality_table.set_layers(layers)
        self._images = [layer for layer in layers if is_candidate(layer)]
        chosen = self.anatomy_combo.currentText()
        with QSignalBlocker(self.anatomy_combo):
            self.anatomy_combo.clear()
            self.anatomy_combo.addItems(
                [_FIRST_SOURCE, *(x.name for x in self._images)]
            )
            self.anatomy_combo.setCurrentIndex(
                max(self.anatomy_combo.findText(chosen), 0)
            )
        self._choose_target()

    def reason(self) -> str:
        """Say why nothing can be shown; "" if something can."""
        if not self.model_list.count():
            return "No model is installed: import one with “medsynth models import”."
        if not self.model_list.cards():
            return "Tick a model above."
        if not self.modality_table.sources():
            return "Open an image, or choose the layer of a contrast above."
        if not self.modality_table.targets():
            return "Nothing to paint: click a chip until it says “to synthesise”."
        if self._viewer.dims.ndisplay == 3:
            return "Attention is shown on slices: switch the viewer back to 2D."
        return ""

    def hint(self) -> str:
        """Say that the slices of the viewer are not those of the models; "" if so."""
        hidden = [axis - self._viewer.dims.ndim for axis in self._viewer.dims.order]
        across, plane = hidden[-3:][0], self.plane_combo.currentText()
        seen = PLANES[across + 3] if len(hidden) >= 3 else plane
        if self.reason() or seen == plane:
            return ""
        return (
            f"The models are run on {plane} slices, and you look at {seen} ones: "
            f"choose the plane “{seen}”."
        )

    def anatomy(self) -> Image:
        """Give the layer that lies under the maps; only where `reason` is ""."""
        index = self.anatomy_combo.currentIndex() - 1
        if 0 <= index < len(self._images):
            return self._images[index]
        return next(iter(self.modality_table.sources().values()))

    def plan(self, job: Job) -> Plan:
        """Give the cells that a job fills; it has a request at least."""
        return Plan(
            job.cells,
            job.asks,
            self.anatomy(),
            next(iter(job.requests.values())).place,
            self.side_box.isChecked(),
            tops_of(job, self.model_list.stages()),
        )

    def options(self) -> RunOptions:
        """Give how the models are to be run."""
        preferences = Preferences()
        return RunOptions(
            plane=self.plane_combo.currentData(),
            device=preferences.device,
            precision=preferences.precision,
        )

    def say(self, failed: Mapping[str, str]) -> None:
        """Say why something is not shown, by model, or which model is not honest."""
        lines = [line for line in (self.reason(), self.hint()) if line]
        lines += [f"{m}: {why}" if m else why for m, why in failed.items()]
        grey = self.model_list.reasons().items()
        lines += [f"{m}: not honest, {short_of(why)}" for m, why in grey]
        text = "\n".join(dict.fromkeys(lines))
        if text != self.status_label.text() or not text:
            self.status_label.setText(text)
            self.status_label.setVisible(bool(text))

    def changeEvent(self, event: QEvent | None) -> None:
        """Leave no layers behind when the dock is removed: nobody could hide them."""
        super().changeEvent(event)
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None:
            self.show_button.setChecked(False)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {
            **self.model_list.to_json(),
            "plane": self.plane_combo.currentData(),
            "is_side_by_side": self.side_box.isChecked(),
            "source": self.source_box.to_json(),
            "look": self.look_box.to_json(),
            "pair": self.pair_box.to_json(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        parts: dict[str, Any] = {
            "source": self.source_box,
            "look": self.look_box,
            "pair": self.pair_box,
        }
        for name, part in parts.items():
            known = values.get(name)
            part.set_from_json(known if isinstance(known, dict) else {})
        self.model_list.set_from_json(values)
        self.plane_combo.setCurrentIndex(
            max(self.plane_combo.findData(values.get("plane")), 0)
        )
        if isinstance(values.get("is_side_by_side"), bool):
            self.side_box.setChecked(values["is_side_by_side"])

    def _set_up(self) -> None:
        for plane in PLANES:
            self.plane_combo.addItem(plane, plane)
        self.plane_combo.setToolTip("Slices that the models are run on.")
        self.anatomy_combo.addItem(_FIRST_SOURCE)
        self.anatomy_combo.setToolTip("Image that is shown under the maps.")
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.anatomy_combo.setSizeAdjustPolicy(policy)
        self.anatomy_combo.setMinimumContentsLength(8)
        self.both_button.setAccessibleName(
            "Only the model before and after fine-tuning"
        )
        self.side_box.setChecked(True)
        self.side_box.setToolTip(
            "On: every model has a cell with the anatomy and its map, and your layers "
            "are hidden meanwhile. Off: the map of the first model lies over your "
            "layers."
        )
        self.run_box.run_button.setText("All &slices")
        self.run_box.run_button.setToolTip(
            "Make the map of every slice for the current query; each model's becomes a "
            "layer that stays."
        )
        self.run_box.cancel_button.setToolTip("Stop at once; nothing is kept.")

    def _lay_out(self) -> None:
        places = QWidget()
        form = QFormLayout(places)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Pla&ne", self.plane_combo)
        form.addRow("&Under the maps", self.anatomy_combo)
        self.add_section("Models", self.model_list, self.both_button, self.side_box)
        self.add_section("Images", self.modality_table, places)
        self.add_section("Query", self.query_list)
        self.add_section("Map", self.source_box)
        self.add_section("Two models", self.pair_box)
        self.add_section("Look", self.look_box, is_open=False)
        self.add_section("All slices", self.run_box, is_open=False)
        layout = self.layout()
        if layout is not None:  # below what scrolls
            layout.addWidget(self.status_label)
            layout.addWidget(self.show_button)

    def _is_wanted(self) -> bool:
        """Tell whether maps are of use; the dock may be behind another one."""
        return self.isVisible() or self.show_button.isChecked()

    def _on_show_toggled(self, is_on: bool) -> None:
        self.show_button.setText("&Hide attention" if is_on else "S&how attention")

    def _on_models_ticked(self) -> None:
        """Ask for the images of all ticked models."""
        self.both_button.setVisible(bool(self.model_list.pair()))
        cards = list(self.model_list.cards().values())
        card = cards[0] if cards else None
        if card is not None:
            inputs = dict.fromkeys(m for c in cards for m in c.inputs)
            outputs = dict.fromkeys(m for c in cards for m in c.outputs)
            card = _of(card, tuple(inputs), tuple(outputs))
        self.modality_table.set_card(card)  # says changed
        self._choose_target()

    def _on_both_clicked(self) -> None:
        self.model_list.choose(self.model_list.pair())

    def _choose_target(self) -> None:
        """Have something to paint: what was made already, else what comes last."""
        table = self.modality_table
        cards = self.model_list.cards().values()
        outputs = list(dict.fromkeys(m for card in cards for m in card.outputs))
        if table.targets() or not outputs or not table.sources():
            return
        made = [
            layer_modality(layer)
            for layer in self._images
            if is_synthetic(layer) and not facts(layer).get("role")
        ]
        known = [m for m in outputs if m in made]
        table.set_state((known or outputs)[-1], State.TARGET)

    def _on_edited(self) -> None:
        self.source_box.set_modalities(tuple(self.modality_table.sources()))
        self.pair_box.set_models(tuple(self.model_list.cards()))
        self.edited.emit()


def _of(
    card: ModelCard, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> ModelCard:
    """Give a card that stands for several models in the table of modalities."""
    is_unified = card.is_unified and inputs == outputs
    return replace(card, inputs=inputs, outputs=outputs, is_unified=is_unified)
