"""TrustForm: model, images and plane of the Trust dock; sections come below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from ._dock import Dock
from ._layers import layer_modality
from ._notice import is_synthetic
from ._preferences import Preferences
from ._roles import facts
from .parts.modality_table import ModalityTable
from .parts.model_box import ModelBox
from .parts.options_box import PLANES, RunOptions
from .parts.plain import plain_label
from .parts.state_chip import State

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard

_WIDTH = 370  # the chips of the table and a scroll bar beside them


class TrustForm(Dock):
    """What a model is run on.

    ``edited`` is emitted when anything was chosen, also when layers came or went.
    """

    edited = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "trust", parent)
        self._made: list[str] = []
        self.reason_label = plain_label("Why nothing can be found out")
        self.model_box = ModelBox(accepts=_is_of_slices)
        self.modality_table = ModalityTable()
        self.plane_combo = QComboBox()
        for plane in PLANES:
            self.plane_combo.addItem(plane, plane)
        self.plane_combo.setToolTip("Slices that the model is run on.")
        self.setMinimumWidth(_WIDTH)
        place = QWidget()
        form = QFormLayout(place)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("&Plane", self.plane_combo)
        parts = (self.model_box, self.modality_table, place, self.reason_label)
        self.add_section("Model and images", *parts)
        self.model_box.card_changed.connect(self._on_card_changed)
        self.modality_table.changed.connect(self.edited)
        self.plane_combo.currentIndexChanged.connect(self.edited)
        self._on_card_changed(self.model_box.card)

    @property
    def card(self) -> ModelCard | None:
        """The chosen model."""
        return self.model_box.card

    def reason(self) -> str:
        """Say why the model cannot be run; "" if it can."""
        if self.card is None:
            return "No model is installed: import one with “medsynth models import”."
        sources, targets = self.modality_table.sources(), self.modality_table.targets()
        if not sources:
            return "Open an image, or choose the layer of a contrast above."
        if not targets:
            return "Nothing is made: click a chip until it says “to synthesise”."
        return self.card.why_not(tuple(sources), targets)

    def options(self) -> RunOptions:
        """Give how the model is to be run."""
        preferences = Preferences()
        return RunOptions(
            plane=self.plane_combo.currentData(),
            device=preferences.device,
            precision=preferences.precision,
        )

    def set_layers(self, layers: list[Layer]) -> None:
        """Offer the images among `layers`; what is chosen stays if it can."""
        self._made = [
            layer_modality(layer)
            for layer in layers
            if is_synthetic(layer) and not facts(layer).get("role")
        ]
        self.modality_table.set_layers(layers)
        self._choose_target()

    def _on_card_changed(self, card: ModelCard | None) -> None:
        self.modality_table.set_card(card)  # says changed
        self._choose_target()

    def _choose_target(self) -> None:
        """Have something to look into: what was made already, else what comes last."""
        table, card = self.modality_table, self.card
        if card is None or table.targets() or not table.sources():
            return
        known = [m for m in card.outputs if m in self._made]
        table.set_state((known or list(card.outputs))[-1], State.TARGET)


def _is_of_slices(card: ModelCard) -> bool:
    """Leave out models of volumes: all is asked slice by slice."""
    return card.spatial_dims == 2
