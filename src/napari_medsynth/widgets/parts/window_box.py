"""WindowBox: window and level of the image, in numbers, presets and by dragging."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.evaluate.windows import WINDOWS
from napari_medsynth.widgets._layers import layer_modality
from napari_medsynth.widgets._roles import facts
from napari_medsynth.widgets._watch import Watch
from napari_medsynth.widgets._window_level import (
    Gesture,
    Limits,
    WindowLevel,
    around,
    automatic,
    level_and_width,
)

from .plain import plain_label, push_button

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

_GESTURES = {
    Gesture.RIGHT: "Right button",
    Gesture.CTRL: "Ctrl + left button",
    Gesture.OFF: "Off",
}
_HOW = (
    "Drag on the image to the right for a wider window (less contrast), up for a "
    "brighter image. With the right button it replaces napari's zoom by dragging; the "
    "wheel still zooms."
)
_AUTO, _AUTO_SLICE, _FULL = "Automatic", "Automatic, this slice", "Full range"
_NOTHING = "No image is visible."
_CHANGES = (
    *("inserted", "removed", "reordered", "active"),
    *("visible", "name", "contrast_limits", "metadata"),
)
_LARGEST = 1e9


class WindowBox(QWidget):
    """Black and white of the active image (else the topmost): level, width, presets.

    For CT the presets are windows in HU, for everything else percentiles. Layers that
    napari has linked follow. Every change can be undone.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    changed : Signal
        A choice that is worth remembering has changed.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.window_level = WindowLevel(viewer)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._layer: Image | None = None
        self._make_widgets()
        self._lay_out()
        self._watch = Watch(
            self._viewer.layers.events,
            self._viewer.layers.selection.events.active,
            only=_CHANGES,
        )
        self.gesture_box.currentIndexChanged.connect(self._on_gesture_changed)
        self.preset_box.textActivated.connect(self.choose_preset)
        for box in (self.level_box, self.width_box):
            box.valueChanged.connect(self._on_number_changed)
        self.reset_button.clicked.connect(self._on_reset_clicked)
        self.undo_button.clicked.connect(self.window_level.undo)
        self._watch.heard.connect(self.refresh)
        self.window_level.changed.connect(self.refresh)
        self.destroyed.connect(partial(WindowLevel.close, self.window_level))
        self.destroyed.connect(partial(Watch.close, self._watch))
        self.refresh()

    def choose_preset(self, name: str) -> None:
        """Apply a preset by its name to the image that is shown in the box."""
        layer = self._layer
        if layer is None:
            return
        if name in (windows := _windows()):
            limits = windows[name]
        elif name == _FULL:
            low, high = layer.contrast_limits_range
            limits = (float(low), float(high))
        else:
            limits = automatic(layer, **self._slice(name))
        self.window_level.set_limits(layer, limits)

    def refresh(self) -> None:
        """Show the image that a change would go to, and its numbers."""
        layer = self.window_level.target()
        if layer is not self._layer:
            self._layer = layer
            self._fill_presets()
        self.image_label.setText(_NOTHING if layer is None else layer.name)
        for widget in (self.level_box, self.width_box, self.preset_box):
            widget.setEnabled(layer is not None)
        self.reset_button.setEnabled(self.window_level.can_reset(layer))
        self.undo_button.setEnabled(self.window_level.can_undo)
        if layer is not None:
            low, high = layer.contrast_limits
            self._show_numbers((float(low), float(high)))

    def close(self) -> bool:
        """Give the mouse back to napari; again, it changes nothing."""
        self._watch.close()
        self.window_level.close()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"window_by": self.window_level.gesture.value}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        index = self.gesture_box.findData(values.get("window_by"))
        if index >= 0:
            self.gesture_box.setCurrentIndex(index)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._watch.ask()

    def _make_widgets(self) -> None:
        self.image_label = plain_label("Image whose window is set")
        self.gesture_box = _narrow_combo()
        for gesture, title in _GESTURES.items():
            self.gesture_box.addItem(title, gesture.value)
        self.gesture_box.setToolTip(_HOW)
        self.level_box = _number_box("Level", "Middle of the window.")
        self.width_box = _number_box("Width", "From black to white.")
        self.preset_box = _narrow_combo()
        self.preset_box.setPlaceholderText("Choose\N{HORIZONTAL ELLIPSIS}")
        self.preset_box.setToolTip(
            "Windows for CT [HU]; percentiles for MR, whose unit is arbitrary."
        )
        self.reset_button = push_button(
            "Reset", "Show the image as before the first change made here."
        )
        self.undo_button = push_button("U&ndo", "Take the last change back.")

    def _lay_out(self) -> None:
        numbers, buttons = QHBoxLayout(), QHBoxLayout()
        for box in (self.level_box, self.width_box):
            box.setMinimumWidth(70)  # else both together are wider than a narrow dock
            numbers.addWidget(box, 1)
        buttons.addWidget(self.preset_box, 1)
        buttons.addWidget(self.reset_button)
        buttons.addWidget(self.undo_button)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow("Image", self.image_label)
        form.addRow(_buddy("&Level, width", self.level_box), numbers)
        form.addRow(_buddy("&Preset", self.preset_box), buttons)
        form.addRow("Drag &with", self.gesture_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)

    def _fill_presets(self) -> None:
        self.preset_box.clear()
        layer = self._layer
        if layer is None:
            return
        is_image = not facts(layer).get("role")
        if is_image and layer_modality(layer) == "CT":
            self.preset_box.addItems(list(_windows()))
        self.preset_box.addItems([_AUTO, _AUTO_SLICE, _FULL])
        self.preset_box.setCurrentIndex(-1)

    def _show_numbers(self, limits: Limits) -> None:
        level, width = level_and_width(limits)
        digits = _digits(width)
        for box, value in ((self.level_box, level), (self.width_box, width)):
            if box.hasFocus() and abs(box.value() - value) < 10.0**-digits:
                continue  # somebody types
            box.blockSignals(True)
            box.setDecimals(digits)
            box.setSingleStep(10.0 ** (1 - digits))
            box.setValue(value)
            box.blockSignals(False)

    def _slice(self, name: str) -> dict[str, int]:
        """Give axis and index, in the data of the layer, of the slice on the screen."""
        layer, dims = self._layer, self._viewer.dims
        if name != _AUTO_SLICE or layer is None or dims.ndisplay == 3 or dims.ndim < 3:
            return {}
        axis = dims.order[-3] - dims.ndim + layer.ndim
        if axis < 0:
            return {}
        index = round(float(layer.world_to_data(dims.point)[axis]))
        return {"axis": axis, "index": index}

    def _on_number_changed(self) -> None:
        if self._layer is not None:
            limits = around(self.level_box.value(), self.width_box.value())
            self.window_level.set_limits(self._layer, limits)

    def _on_gesture_changed(self) -> None:
        self.window_level.gesture = Gesture(self.gesture_box.currentData())
        self.changed.emit()

    def _on_reset_clicked(self) -> None:
        if self._layer is not None:
            self.window_level.reset(self._layer)


def _narrow_combo() -> QComboBox:
    """A combo box that may be narrower than its longest line."""
    combo = QComboBox()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(8)
    return combo


def _buddy(text: str, widget: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(widget)
    return label


def _number_box(name: str, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setAccessibleName(name)
    box.setToolTip(f"{name}: {tip[0].lower()}{tip[1:]}")
    box.setRange(0.0 if name == "Width" else -_LARGEST, _LARGEST)
    box.setKeyboardTracking(False)  # one change per number, not per digit
    box.setMinimumWidth(60)
    return box


def _digits(width: float) -> int:
    """Give decimals that show a hundredth of the window."""
    return int(np.clip(2 - np.floor(np.log10(max(width, 1e-9))), 0, 6))


def _windows() -> dict[str, Limits]:
    """Give the windows for CT by the names that are shown."""
    return {
        f"{name.replace('-', ' ').capitalize()} [{low:g}, {high:g} HU]": (low, high)
        for name, (low, high) in WINDOWS.items()
    }
