"""ModelCombo: which of several models a chart is about; hidden if there is one."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QWidget


class ModelCombo(QComboBox):
    """Titles of models; the one that is chosen stays as long as it is there."""

    def __init__(self, purpose: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(10)
        self.setToolTip(f"Model whose {purpose} are shown.")
        self.setAccessibleName(f"Model whose {purpose} are shown")
        self.hide()

    def set_titles(self, titles: Sequence[str]) -> None:
        """Offer other models, without a signal."""
        if list(titles) == [self.itemText(i) for i in range(self.count())]:
            return
        chosen = self.currentText()
        with QSignalBlocker(self):
            self.clear()
            self.addItems(list(titles))
            self.setCurrentIndex(max(self.findText(chosen), 0 if titles else -1))
        self.setVisible(len(titles) > 1)
