"""ModalityTable: which layer is which modality, and what the model does with each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_medsynth.io.modality import MODALITIES
from napari_medsynth.widgets._layers import layer_modality
from napari_medsynth.widgets._notice import is_synthetic

from .modality_row import ModalityRow
from .state_chip import State

ANY_MR = "MR"
MR_CONTRASTS = frozenset(MODALITIES) - {"CT", "PET", "CXR"}

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard


class ModalityTable(QWidget):
    """One `ModalityRow` per modality that the card knows.

    Rows find their layer by its modality. A layer chosen by hand stays until it goes
    away, and a state chosen by hand as long as it is possible.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._card: ModelCard | None = None
        self._layers: list[Layer] = []
        self._chosen: dict[str, Layer | None] = {}
        self._wanted: dict[str, State] = {}
        self.rows: dict[str, ModalityRow] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)

    def set_card(self, card: ModelCard | None) -> None:
        """Show the modalities of `card`."""
        self._card = card
        for row in self.rows.values():
            row.delete()
        self.rows = {}
        known = dict.fromkeys((*card.inputs, *card.outputs)) if card else {}
        for number, modality in enumerate(known):
            row = ModalityRow(modality, self)
            row.layer_chosen.connect(self._on_layer_chosen)
            row.state_chosen.connect(self._on_state_chosen)
            row.place(self._grid, number)
            self.rows[modality] = row
        self._update_rows()

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Offer the image layers among `layers`, in their order, and assign them."""
        self._layers = [layer for layer in layers if is_candidate(layer)]
        gone = [
            modality
            for modality, layer in self._chosen.items()
            if layer is not None and layer not in self._layers
        ]
        for modality in gone:
            del self._chosen[modality]
        self._update_rows()

    def set_state(self, modality: str, state: State) -> None:
        """Do what a click on the chip of `modality` does."""
        self._on_state_chosen(modality, state)

    def chosen(self) -> dict[str, Layer | None]:
        """Give what was chosen by hand, for `choose`."""
        return dict(self._chosen)

    def choose(self, chosen: Mapping[str, Layer | None]) -> None:
        """Give modalities these layers, as if by hand; all others find their own."""
        self._chosen = dict(chosen)
        self._update_rows()

    def sources(self) -> dict[str, Layer]:
        """Give the layers that the model sees, by modality, in the card's order."""
        return {
            modality: row.layer
            for modality, row in self.rows.items()
            if row.state is State.SOURCE and row.layer is not None
        }

    def targets(self) -> tuple[str, ...]:
        """Give the modalities to synthesise, in the card's order."""
        return tuple(m for m, row in self.rows.items() if row.state is State.TARGET)

    def _on_layer_chosen(self, modality: str, layer: Layer | None) -> None:
        self._chosen[modality] = layer
        self._wanted.pop(modality, None)
        self._update_rows()

    def _on_state_chosen(self, modality: str, state: State) -> None:
        self._wanted[modality] = state
        self._update_rows()

    def _update_rows(self) -> None:
        """Assign layers and states to all rows and say so once."""
        assigned = assign_layers(list(self.rows), self._layers, self._chosen)
        assigned |= self._any_layers(assigned)
        for modality, row in self.rows.items():
            allowed = self._allowed_states(modality, assigned[modality])
            state = self._wanted.get(modality, allowed[0])
            row.show(
                self._layers,
                assigned[modality],
                state if state in allowed else allowed[0],
                allowed,
            )
        self.changed.emit()

    def _any_layers(
        self, assigned: Mapping[str, Layer | None]
    ) -> dict[str, Layer | None]:
        """Give an input that no image is named after ("noisy image") the first one."""
        known = (*MODALITIES, ANY_MR, *self._card.outputs) if self._card else ()
        named = [m for m in self.rows if m in known]
        real = [
            x
            for x in self._layers
            if not is_synthetic(x) and x not in [assigned[m] for m in named]
        ] or [x for x in self._layers if not is_synthetic(x)]
        return {
            m: real[0]
            for m in self.rows
            if m not in known and real and not (assigned[m] or m in self._chosen)
        }

    def _allowed_states(self, modality: str, layer: Layer | None) -> tuple[State, ...]:
        """Give the states that are possible, the natural one first."""
        if self._card is None:
            return (State.IGNORED,)
        can_see = layer is not None and modality in self._card.inputs
        can_make = modality in self._card.outputs
        states = [State.SOURCE] * can_see + [State.TARGET] * can_make
        return (*states, State.IGNORED)


def is_candidate(layer: Layer) -> bool:
    """Tell whether a layer may be a source: grey, and no preview or attention."""
    role = layer.metadata.get("medsynth", {}).get("role", "")
    return isinstance(layer, Image) and not layer.rgb and not role


def assign_layers(
    modalities: Sequence[str],
    layers: Sequence[Layer],
    chosen: Mapping[str, Layer | None],
) -> dict[str, Layer | None]:
    """Give each modality its layer, or None.

    What is `chosen` comes first; any other modality gets the first layer that is not
    taken and whose metadata or name says so; "MR", which is none in particular, the
    first MR image. Synthetic layers are only taken by hand.
    """
    assigned = {m: chosen[m] for m in modalities if m in chosen}
    taken = [layer for layer in assigned.values() if layer is not None]
    free = [x for x in layers if x not in taken and not is_synthetic(x)]
    by_modality: dict[str, Layer] = {}
    for layer in free:
        modality = layer_modality(layer)
        by_modality.setdefault(modality, layer)
        if modality in MR_CONTRASTS:
            by_modality.setdefault(ANY_MR, layer)
    return {m: assigned[m] if m in assigned else by_modality.get(m) for m in modalities}
