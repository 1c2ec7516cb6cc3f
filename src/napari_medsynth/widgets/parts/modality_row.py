"""ModalityRow: check box, layer combo and state chip of one modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QWidget

from .state_chip import State, StateChip

if TYPE_CHECKING:
    from napari.layers import Layer

NO_LAYER = "(none)"
_WIDEST_NAME = 12  # letters of a contrast: the tool tips have all of them


class ModalityRow(QObject):
    """Three widgets in one row of a grid, and the layer and state that they show."""

    layer_chosen = Signal(str, object)
    state_chosen = Signal(str, object)

    def __init__(self, modality: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.modality = modality
        self.layer: Layer | None = None
        self._layers: list[Layer] = []
        self._allowed: tuple[State, ...] = (State.IGNORED,)
        self.box = QCheckBox(parent)
        metrics = self.box.fontMetrics()
        room = _WIDEST_NAME * metrics.averageCharWidth()
        right = Qt.TextElideMode.ElideRight
        self.box.setText(metrics.elidedText(modality, right, room))
        self.box.setAccessibleName(modality)
        self.box.setToolTip(f"Available: the model may see the {modality} image.")
        self.combo = _compact_combo(parent)
        self.combo.setToolTip(f"Layer that holds the {modality} image.")
        self.combo.setAccessibleName(f"{modality} layer")
        self.chip = StateChip(parent)
        self.box.clicked.connect(self._on_box_clicked)
        self.combo.activated.connect(self._on_combo_activated)
        self.chip.state_picked.connect(self._on_state_picked)

    @property
    def state(self) -> State:
        """What the model does with this modality."""
        return self.chip.state

    def place(self, grid: QGridLayout, row: int) -> None:
        """Put the widgets into `row` of `grid`."""
        for column, widget in enumerate((self.box, self.combo, self.chip)):
            grid.addWidget(widget, row, column)
            widget.show()

    def show(
        self,
        layers: Sequence[Layer],
        layer: Layer | None,
        state: State,
        allowed: tuple[State, ...],
    ) -> None:
        """Offer `layers`, with `layer` chosen, and show `state` out of `allowed`."""
        self._layers, self.layer, self._allowed = list(layers), layer, allowed
        with QSignalBlocker(self.combo):
            self.combo.clear()
            self.combo.addItems([NO_LAYER, *(x.name for x in layers)])
            self.combo.setCurrentIndex(self._layers.index(layer) + 1 if layer else 0)
        with QSignalBlocker(self.box):
            self.box.setChecked(state is State.SOURCE)
            self.box.setEnabled(State.SOURCE in allowed)
        self.chip.set_state(state, allowed)

    def delete(self) -> None:
        """Take the widgets away."""
        for widget in (self.box, self.combo, self.chip):
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        self.deleteLater()

    def _on_box_clicked(self, is_checked: bool) -> None:
        unchecked = State.TARGET if State.TARGET in self._allowed else State.IGNORED
        self.state_chosen.emit(self.modality, State.SOURCE if is_checked else unchecked)

    def _on_combo_activated(self, index: int) -> None:
        layer = self._layers[index - 1] if index > 0 else None
        self.layer_chosen.emit(self.modality, layer)

    def _on_state_picked(self, state: State) -> None:
        self.state_chosen.emit(self.modality, state)


def _compact_combo(parent: QWidget) -> QComboBox:
    """A combo box that does not grow with the longest layer name."""
    combo = QComboBox(parent)
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(5)
    return combo
