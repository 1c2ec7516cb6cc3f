"""MapLookBox: opacity, threshold and colours of attention maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSlider, QWidget

# all of them begin in black, which is clear where layers are added up
COLORMAPS = ("inferno", "magma", "hot", "gray")


@dataclass(frozen=True)
class MapLook:
    """How maps are drawn.

    Parameters
    ----------
    opacity, threshold : int
        [%]. What is below `threshold` of the brightest is clear.
    colormap : str
        Of the map that is not pinned.
    is_smooth : bool
        False shows tokens as the squares they are.
    is_common : bool
        All models share one range of colours; otherwise each has its own.
    """

    opacity: int = 75
    threshold: int = 10
    colormap: str = "inferno"
    is_smooth: bool = True
    is_common: bool = True


class MapLookBox(QWidget):
    """The form of `MapLook`; ``changed`` while a slider moves, too."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.opacity_slider = _slider("How much of a map is seen over the anatomy.")
        self.threshold_slider = _slider(
            "Leave out what is below this share of the max."
        )
        self.colormap_combo = QComboBox()
        self.colormap_combo.addItems(COLORMAPS)
        self.colormap_combo.setToolTip("Colours of the map; pins have their own.")
        self.smooth_box = QCheckBox("S&mooth")
        self.smooth_box.setToolTip("Off: show the tokens as the squares they are.")
        self.common_box = QCheckBox("Sa&me range for all models")
        self.common_box.setToolTip(
            "On: equal colours are equal attention. Off: each map fills its own range."
        )
        self._sliders = {
            "opacity": self.opacity_slider,
            "threshold": self.threshold_slider,
        }
        self._boxes = {"is_smooth": self.smooth_box, "is_common": self.common_box}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("&Opacity", self.opacity_slider)
        form.addRow("&Threshold", self.threshold_slider)
        form.addRow("Co&lours", self.colormap_combo)
        form.addRow(self.smooth_box)
        form.addRow(self.common_box)
        self.set_from_json(asdict(MapLook()))
        for slider in self._sliders.values():
            slider.valueChanged.connect(self.changed)
        for box in self._boxes.values():
            box.toggled.connect(self.changed)
        self.colormap_combo.currentIndexChanged.connect(self.changed)

    def look(self) -> MapLook:
        """Give what is chosen."""
        chosen: dict[str, Any] = {n: s.value() for n, s in self._sliders.items()}
        chosen |= {name: box.isChecked() for name, box in self._boxes.items()}
        return MapLook(colormap=self.colormap_combo.currentText(), **chosen)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return asdict(self.look())

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        with QSignalBlocker(self):
            for name, slider in self._sliders.items():
                if type(values.get(name)) is int:
                    slider.setValue(values[name])
            for name, box in self._boxes.items():
                if isinstance(values.get(name), bool):
                    box.setChecked(values[name])
            index = self.colormap_combo.findText(str(values.get("colormap")))
            if index >= 0:
                self.colormap_combo.setCurrentIndex(index)
        self.changed.emit()


def _slider(tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setPageStep(5)
    slider.setToolTip(tip)
    return slider
