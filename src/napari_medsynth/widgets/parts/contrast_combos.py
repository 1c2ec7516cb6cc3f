"""ContrastCombos: of which contrasts a network that is not trained makes which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.io.modality import MODALITIES

from .modality_table import ANY_MR, MR_CONTRASTS

SOURCE, TARGET = "Source", "Target"
Slot = tuple[str, int]


def takes_any_contrast(card: ModelCard | None) -> bool:
    """Tell whether the contrasts of a card only hold the places of the user's."""
    if card is None or card.is_trained:
        return False
    return not (card.is_restoration or card.is_unified)


class ContrastCombos(QWidget):
    """One combo for each input and output; hidden where a card's contrasts are fixed.

    What nobody has chosen by hand follows what was found in the data.

    Signals: `changed` when other contrasts are chosen, by hand or by themselves.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combos: dict[Slot, QComboBox] = {}
        self._card: ModelCard | None = None
        self._found: tuple[str, ...] = ()
        self._picked: dict[Slot, str] = {}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)

    def set_card(self, card: ModelCard | None) -> None:
        """Ask for the contrasts of `card`, if they can be chosen."""
        self._card = card if takes_any_contrast(card) else None
        self._picked = {}
        while self._form.rowCount():
            self._form.removeRow(0)
        self.combos = {}
        for side, names in self._places().items():
            for number in range(len(names)):
                self._add(side, number, is_one=len(names) == 1)
        self.setVisible(self._card is not None)
        self._fill()

    def set_found(self, contrasts: Iterable[str]) -> None:
        """Say which contrasts the data have: they are offered first."""
        found = tuple(contrasts)
        if found == self._found:
            return
        self._found = found
        if self._fill():
            self.changed.emit()

    def applied_to(self, card: ModelCard) -> ModelCard:
        """Give `card` with the contrasts that are chosen."""
        if self._card is None:
            return card
        return replace(card, inputs=self._names(SOURCE), outputs=self._names(TARGET))

    def reason(self) -> str:
        """Say why these contrasts cannot be learnt; "" if they can."""
        names = [*self._names(SOURCE), *self._names(TARGET)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not twice:
            return ""
        return f"{', '.join(twice)} is chosen twice: choose another source or target."

    def to_json(self) -> list[list[Any]]:
        """Give what was chosen by hand."""
        return [[*slot, name] for slot, name in self._picked.items()]

    def set_from_json(self, values: Any) -> None:
        """Choose remembered contrasts; what is unknown or damaged changes nothing."""
        picked = {}
        for entry in values if isinstance(values, list) else ():
            if isinstance(entry, list) and len(entry) == 3:
                side, number, name = entry
                if (side, number) in self.combos and isinstance(name, str) and name:
                    picked[side, number] = name
        self._picked |= picked
        if self._fill():
            self.changed.emit()

    def _places(self) -> Mapping[str, Sequence[str]]:
        if self._card is None:
            return {}
        return {SOURCE: self._card.inputs, TARGET: self._card.outputs}

    def _names(self, side: str) -> tuple[str, ...]:
        return tuple(
            combo.currentText()
            for slot, combo in self.combos.items()
            if slot[0] == side
        )

    def _add(self, side: str, number: int, *, is_one: bool) -> None:
        combo = QComboBox()
        title = side if is_one else f"{side} {number + 1}"
        what = "takes" if side == SOURCE else "makes"
        combo.setToolTip(f"Contrast that the network {what}; those found come first.")
        combo.setAccessibleName(title)
        combo.activated.connect(self._on_activated)
        self._form.addRow(title, combo)
        self.combos[side, number] = combo

    def _fill(self) -> bool:
        """Show what can be chosen and what is; tell whether that is something else."""
        chosen = self._chosen()
        is_new = False
        for slot, combo in self.combos.items():
            is_new |= combo.currentText() != chosen[slot]
            combo.clear()
            combo.addItems(self._found)
            if self._found:
                combo.insertSeparator(combo.count())
            own = [name for names in self._places().values() for name in names]
            others = dict.fromkeys((*own, chosen[slot], *MODALITIES))
            combo.addItems([name for name in others if name not in self._found])
            combo.setCurrentText(chosen[slot])
        return is_new

    def _chosen(self) -> dict[Slot, str]:
        """Give each place a contrast: by hand, by its name, or what else was found."""
        places = {
            (side, number): name
            for side, names in self._places().items()
            for number, name in enumerate(names)
        }
        chosen = dict(self._picked)
        for slot, name in places.items():
            if slot not in chosen and name in self._found:
                chosen[slot] = name
        for slot, name in places.items():
            if slot not in chosen:
                free = [c for c in self._found if c not in chosen.values()]
                like = [c for c in free if c in MR_CONTRASTS] if name == ANY_MR else []
                chosen[slot] = next(iter((*like, *free)), name)
        return chosen

    def _on_activated(self) -> None:
        now = self._chosen()
        for slot, combo in self.combos.items():
            if combo.currentText() != now[slot]:
                self._picked[slot] = combo.currentText()
        self.changed.emit()
