"""TargetBoxes: a check box for each contrast that a model can learn to make."""

from __future__ import annotations

from collections.abc import Collection

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_medsynth.catalogue import ModelCard

_PER_LINE = 3


class TargetBoxes(QWidget):
    """The outputs of a card, checked unless they were left out or have no scans."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: dict[str, QCheckBox] = {}
        self._left_out: set[str] = set()
        self._contrasts: tuple[str, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    def set_card(self, card: ModelCard | None) -> None:
        """Show the outputs of `card`."""
        for box in self.boxes.values():
            box.setParent(None)
            box.deleteLater()
        self.boxes = {}
        for number, target in enumerate(card.outputs if card else ()):
            box = QCheckBox(target, self)
            box.clicked.connect(self._on_clicked)
            self._grid.addWidget(box, number // _PER_LINE, number % _PER_LINE)
            self.boxes[target] = box
        self._update()

    def set_contrasts(self, contrasts: Collection[str]) -> None:
        """Allow only contrasts that the data have; () allows all."""
        self._contrasts = tuple(contrasts)
        self._update()

    def targets(self) -> tuple[str, ...]:
        """Give what is checked and possible, in the card's order."""
        return tuple(t for t, box in self.boxes.items() if box.isChecked())

    def left_out(self) -> list[str]:
        """Give what was unchecked by hand."""
        return sorted(self._left_out)

    def leave_out(self, targets: Collection[str]) -> None:
        """Uncheck `targets`, as by hand."""
        self._left_out = {target for target in targets if isinstance(target, str)}
        self._update()

    def _on_clicked(self) -> None:
        for target, box in self.boxes.items():
            if box.isEnabled():
                is_out = not box.isChecked()
                (self._left_out.add if is_out else self._left_out.discard)(target)
        self._update()

    def _update(self) -> None:
        for target, box in self.boxes.items():
            has_scans = not self._contrasts or target in self._contrasts
            box.setEnabled(has_scans)
            box.setChecked(has_scans and target not in self._left_out)
            box.setToolTip(
                f"Learn to make {target}: the loss compares it with the real {target}."
                if has_scans
                else f"No subject of the data has a {target} scan to learn from."
            )
        self.changed.emit()
