"""ContributionForm: bars, sentences and buttons on what each scan contributed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.widgets._trust_jobs import KINDS

from .plain import plain_label, push_button
from .run_box import RunBox
from .share_bars import ShareBars


class ContributionForm(QWidget):
    """All widgets of the section, laid out; runs nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live_box = QCheckBox("&Follow the slice on the screen")
        self.live_box.setToolTip(
            "Run the model with every subset of the scans, up to 16 times, on each "
            "slice that you go to."
        )
        self.live_box.setChecked(True)
        self.slice_label = plain_label("Which slice the numbers are of")
        self.bars = ShareBars()
        self.bars.setEnabled(False)
        self.remark_label = plain_label("What the numbers mean")
        self.map_button = push_button(
            "&Show maps",
            "Show where each scan made this slice brighter (orange) or darker (blue), "
            "one layer per scan; they follow the slider.",
        )
        self.map_button.setCheckable(True)
        self.kind_combo = QComboBox()
        for kind, title in KINDS.items():
            self.kind_combo.addItem(title, kind)
        self.kind_combo.setToolTip(
            "What it contributes: its Shapley value, fair to scans that tell the same. "
            "What changes without it: the image minus the one made without this scan."
        )
        self.kind_combo.setAccessibleName("What maps show")
        self.run_box = RunBox()
        self.run_box.run_button.setText("&All slices")
        self.run_box.run_button.setToolTip(
            "Find out for all slices; the maps become layers that stay."
        )
        self.run_box.cancel_button.setToolTip("Stop at once; nothing is kept (Esc).")
        self.overall_label = plain_label("The numbers of all slices")
        self.csv_button = push_button(
            "Save CS&V\N{HORIZONTAL ELLIPSIS}", "Save the numbers of all known slices."
        )
        self.csv_button.setEnabled(False)
        self._lay_out()

    @property
    def kind(self) -> str:
        """What maps show: a key of `KINDS`."""
        return str(self.kind_combo.currentData())

    def ask_path(self) -> Path | None:
        """Ask where to save; None if nobody wants to any more."""
        asked = ("Save", "contributions.csv", "Table (*.csv)")
        chosen, _ = QFileDialog.getSaveFileName(self, *asked)
        path = Path(chosen)
        if not chosen:
            return None
        return path if path.suffix else path.with_suffix(".csv")

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"is_live": self.live_box.isChecked(), "kind": self.kind}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        if isinstance(values.get("is_live"), bool):
            self.live_box.setChecked(values["is_live"])
        index = self.kind_combo.findData(values.get("kind"))
        if index >= 0:
            self.kind_combo.setCurrentIndex(index)

    def _lay_out(self) -> None:
        maps = QHBoxLayout()
        maps.addWidget(self.map_button, 1)
        maps.addWidget(self.kind_combo, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.live_box, self.slice_label, self.bars, self.remark_label):
            column.addWidget(part)
        column.addLayout(maps)
        column.addWidget(self.run_box)
        column.addWidget(self.overall_label)
        column.addWidget(self.csv_button)
        self.remark_label.hide()
        self.overall_label.hide()
