"""CompareModes: two layers, and how they share one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_medsynth.widgets._roles import Role, Shown
from napari_medsynth.widgets._two_in_one import Look, Mode

from .plain import push_button

if TYPE_CHECKING:
    from napari.layers import Layer

_STEPS = 1000  # of the slider
_FASTEST = 5.0  # changes per second: more than three flashes may harm
_BUTTONS = {
    Mode.SWIPE: (
        "Swipe",
        "A curtain between the two: drag the orange line on the canvas.",
    ),
    Mode.FLICKER: ("Flicker", "One after the other at the same place. Key: F."),
    Mode.CHECKERBOARD: ("&Checkerboard", "Squares of the two in turn."),
}


class CompareModes(QWidget):
    """Signals: `mode_chosen` with a Mode or None, `look_changed` with a Look,
    `pair_changed`, `match_clicked`, `difference_clicked`, `range_changed` with a share.
    """

    mode_chosen = Signal(object)
    look_changed = Signal(object)
    pair_changed = Signal()
    match_clicked = Signal()
    difference_clicked = Signal()
    range_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Layer] = []
        self._is_by_hand = False
        self._look = Look()
        self.first_combo = _layer_combo("First image", "The image on the left, A.")
        self.second_combo = _layer_combo("Second image", "The image on the right, B.")
        self.swap_button = push_button("Swap A and B", "Exchange the two images.")
        self.match_button = push_button(
            "&Match windows",
            "Set the window of B so that it is as bright as A: what a model makes need "
            "not have the intensities of the scanner.",
        )
        self.mode_buttons = {
            mode: push_button(text, f"{tip} Press again to end.")
            for mode, (text, tip) in _BUTTONS.items()
        }
        self.difference_button = push_button(
            "&Difference B \N{MINUS SIGN} A",
            "A new layer: B minus A, each scaled by its own window. Blue: B is darker; "
            "red: B is brighter; black: the same.",
        )
        self._make_settings()
        self._lay_out()
        self._connect()
        self.set_panes([])

    @property
    def mode(self) -> Mode | None:
        """The mode whose button is pressed."""
        for mode, button in self.mode_buttons.items():
            if button.isChecked():
                return mode
        return None

    def look(self, mode: Mode | None = None) -> Look:
        """Give mode, position, speed and square size as they are chosen."""
        return Look(
            mode=mode or self.mode or self._look.mode,
            position=self.position_slider.value() / _STEPS,
            speed=self.speed_box.value() if self.auto_box.isChecked() else 0.0,
            square=float(self.square_box.value()),
        )

    def pair(self) -> tuple[Layer, Layer] | None:
        """Give the two layers; None unless two different ones are chosen."""
        chosen = [x.currentIndex() for x in (self.first_combo, self.second_combo)]
        if min(chosen) < 0 or chosen[0] == chosen[1]:
            return None
        first, second = (self._layers[index] for index in chosen)
        return first, second

    def set_panes(self, panes: Sequence[Shown]) -> None:
        """Offer the layers of `panes`; usually a truth and what was made of it.

        What was chosen by hand, or is in a picture now, stays as long as it is there.
        """
        before = [self._chosen(x) for x in (self.first_combo, self.second_combo)]
        self._layers = [pane.layer for pane in panes]
        usual = usual_pair(panes)
        is_kept = self._is_by_hand or self.mode is not None
        is_kept &= all(x is not None and x in self._layers for x in before)
        chosen = before if is_kept else usual
        for combo, layer in zip(
            (self.first_combo, self.second_combo), chosen, strict=True
        ):
            with QSignalBlocker(combo):
                combo.clear()
                combo.addItems([x.name for x in self._layers])
                combo.setCurrentIndex(self._layers.index(layer) if layer else -1)
        self._enable()

    def set_mode(self, mode: Mode | None) -> None:
        """Show which mode is on, without choosing it."""
        for other, button in self.mode_buttons.items():
            button.setChecked(other is mode)
        self._show_settings(mode)

    def set_position(self, position: float) -> None:
        """Show where the curtain is."""
        with QSignalBlocker(self.position_slider):
            self.position_slider.setValue(round(_STEPS * position))

    def stop_automatic(self) -> None:
        """Let the flicker be by hand."""
        self.auto_box.setChecked(False)

    def to_json(self) -> dict[str, Any]:
        """Give the settings that are worth remembering."""
        return {
            "speed": self.speed_box.value(),
            "is_automatic": self.auto_box.isChecked(),
            "square": self.square_box.value(),
            "range": self.range_box.value(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered settings; what is damaged changes nothing."""
        numbers = {k: v for k, v in values.items() if type(v) in (int, float)}
        kept = {k: v for k, v in numbers.items() if 0 <= v < 1e6}
        self.speed_box.setValue(float(kept.get("speed", self.speed_box.value())))
        for name, box in (("square", self.square_box), ("range", self.range_box)):
            box.setValue(int(kept.get(name, box.value())))
        if isinstance(values.get("is_automatic"), bool):
            self.auto_box.setChecked(values["is_automatic"])

    def _make_settings(self) -> None:
        self.position_slider = QSlider(Qt.Orientation.Horizontal)
        self.position_slider.setRange(0, _STEPS)
        self.position_slider.setValue(_STEPS // 2)
        self.position_slider.setPageStep(_STEPS // 10)
        self.position_slider.setSingleStep(_STEPS // 100)
        self.position_slider.setToolTip("Where the curtain is, also by arrow keys.")
        self.speed_box = QDoubleSpinBox()
        self.speed_box.setRange(0.5, _FASTEST)
        self.speed_box.setSingleStep(0.5)
        self.speed_box.setDecimals(1)
        self.speed_box.setValue(1.0)
        self.speed_box.setSuffix(" changes/s")
        self.speed_box.setToolTip("How often the image changes.")
        self.auto_box = QCheckBox("Automatic")
        self.auto_box.setChecked(True)
        self.auto_box.setToolTip("Unchecked, only the key F changes the image.")
        self.square_box = QSpinBox()
        self.square_box.setRange(2, 200)
        self.square_box.setValue(20)
        self.square_box.setSuffix(" mm")
        self.square_box.setToolTip("Side of the squares.")
        self.range_box = QSpinBox()
        self.range_box.setRange(1, 100)
        self.range_box.setValue(30)
        self.range_box.setPrefix("\N{PLUS-MINUS SIGN} ")
        self.range_box.setSuffix(" % of the window")
        self.range_box.setToolTip("Difference that gets the full colour, in all.")

    def _lay_out(self) -> None:
        for button in self.mode_buttons.values():
            button.setCheckable(True)
        self._form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("&A", self.first_combo)
        form.addRow("&B", self.second_combo)
        form.addRow(_in_a_row(self.swap_button, self.match_button))
        form.addRow(_in_a_row(*self.mode_buttons.values()))
        self._rows: dict[QWidget, tuple[Mode, ...]] = {}
        for label, box, mode in (
            ("Position", self.position_slider, Mode.SWIPE),
            ("Speed", self.speed_box, Mode.FLICKER),
            ("", self.auto_box, Mode.FLICKER),
            ("S&quares", self.square_box, Mode.CHECKERBOARD),
        ):
            form.addRow(label, box)
            self._rows[box] = (mode,)
        form.addRow(self.difference_button)
        form.addRow("Full colour", self.range_box)

    def _connect(self) -> None:
        self.first_combo.activated.connect(self._on_pair_activated)
        self.second_combo.activated.connect(self._on_pair_activated)
        self.swap_button.clicked.connect(self._on_swap_clicked)
        for button in self.mode_buttons.values():
            button.clicked.connect(self._on_mode_clicked)
        self.position_slider.valueChanged.connect(self._on_setting)
        self.speed_box.valueChanged.connect(self._on_setting)
        self.square_box.valueChanged.connect(self._on_setting)
        self.auto_box.toggled.connect(self._on_setting)
        self.match_button.clicked.connect(self.match_clicked)
        self.difference_button.clicked.connect(self.difference_clicked)
        self.range_box.valueChanged.connect(self._on_range)

    def _chosen(self, combo: QComboBox) -> Layer | None:
        index = combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def _enable(self) -> None:
        is_pair = self.pair() is not None
        others = (self.swap_button, self.match_button, self.difference_button)
        for button in (*self.mode_buttons.values(), *others):
            button.setEnabled(is_pair)
        self._show_settings(self.mode)

    def _show_settings(self, mode: Mode | None) -> None:
        """Show the settings of a mode only while it is on."""
        for box, modes in self._rows.items():
            self._form.setRowVisible(box, mode in modes)

    def _on_mode_clicked(self) -> None:
        sender = self.sender()
        pressed = next((m for m, b in self.mode_buttons.items() if b is sender), None)
        mode = pressed if pressed and self.mode_buttons[pressed].isChecked() else None
        self.set_mode(mode)
        self.mode_chosen.emit(mode)

    def _on_swap_clicked(self) -> None:
        first, second = (
            self.first_combo.currentIndex(),
            self.second_combo.currentIndex(),
        )
        self.first_combo.setCurrentIndex(second)
        self.second_combo.setCurrentIndex(first)
        self._on_pair_activated()

    def _on_pair_activated(self) -> None:
        self._is_by_hand = True
        self._enable()
        self.pair_changed.emit()

    def _on_setting(self) -> None:
        self._look = self.look()
        self.look_changed.emit(self._look)

    def _on_range(self, percent: int) -> None:
        self.range_changed.emit(percent / 100)


def usual_pair(panes: Sequence[Shown]) -> tuple[Layer | None, Layer | None]:
    """Give a truth and what was made of it; without, the first two images."""
    for made in (pane for pane in panes if pane.role is Role.SYNTHESIS):
        for pane in panes:
            if pane.role is Role.TRUTH and pane.modality == made.modality:
                return pane.layer, made.layer
    layers: list[Layer | None] = [pane.layer for pane in panes][:2]
    first, second = [*layers, None, None][:2]
    return first, second


def _in_a_row(*widgets: QWidget) -> QWidget:
    """Put widgets beside each other."""
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return box


def _layer_combo(name: str, tip: str) -> QComboBox:
    """A combo box that does not grow with the longest layer name."""
    combo = QComboBox()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(8)
    combo.setAccessibleName(name)
    combo.setToolTip(tip)
    return combo
