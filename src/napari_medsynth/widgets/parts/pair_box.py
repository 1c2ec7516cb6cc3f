"""PairBox: how much the maps of two models are alike, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from .plain import plain_label


class PairBox(QWidget):
    """Two models out of those that are shown; hidden while there are fewer."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.first_combo = _combo("The model that is taken away, for example the base.")
        self.second_combo = _combo("The model that is compared with it.")
        self.difference_box = QCheckBox("Show the &difference")
        self.difference_box.setToolTip(
            "One more cell: blue where the first model looked more, orange where the "
            "second did; 1 is the mean of a map."
        )
        self.correlation_label = plain_label("How much the two maps are alike")
        self.correlation_label.setToolTip(
            "Spearman's rank correlation of the two maps: 1 if they order all places "
            "alike, 0 if they have nothing to do with each other."
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("&First", self.first_combo)
        form.addRow("Seco&nd", self.second_combo)
        form.addRow(self.correlation_label)
        form.addRow(self.difference_box)
        for combo in (self.first_combo, self.second_combo):
            combo.currentIndexChanged.connect(self.changed)
        self.difference_box.toggled.connect(self.changed)
        self.set_correlation(None)

    def set_models(self, titles: Sequence[str]) -> None:
        """Offer the models that are shown; what was chosen stays if it can."""
        chosen = [combo.currentText() for combo in self._combos()]
        if not all(title in titles for title in chosen) or chosen[0] == chosen[1]:
            chosen = [*titles, "", ""][:2]
        with QSignalBlocker(self):
            for combo, title in zip(self._combos(), chosen, strict=True):
                combo.clear()
                combo.addItems(list(titles))
                combo.setCurrentText(title)
        self.setEnabled(len(titles) > 1)
        self.set_correlation(None)

    def pair(self) -> tuple[str, ...]:
        """Give the titles of the two models; empty unless they are two."""
        titles = tuple(combo.currentText() for combo in self._combos())
        return titles if len({*titles, ""}) == 3 else ()

    @property
    def has_difference(self) -> bool:
        """Whether the difference is wanted, and there are two models."""
        return self.difference_box.isChecked() and bool(self.pair())

    def set_correlation(self, correlation: float | None) -> None:
        """Show a rank correlation; None for none, nan if a map is flat."""
        if correlation is None:
            text = "" if self.pair() else "Tick two models to compare their maps."
        elif correlation != correlation:
            text = "One of the maps is the same everywhere: nothing to rank."
        else:
            text = f"Rank correlation of the two maps: {correlation:.2f}"
        self.correlation_label.setText(text)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {"has_difference": self.difference_box.isChecked()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        if isinstance(values.get("has_difference"), bool):
            self.difference_box.setChecked(values["has_difference"])

    def _combos(self) -> tuple[QComboBox, QComboBox]:
        return self.first_combo, self.second_combo


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(10)
    combo.setToolTip(tip)
    return combo
