"""ModelList: which models are asked, one or several side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_medsynth.catalogue import ModelCard

from .tuned_pairs import base_of, in_order, pair_of, stages_of

_ROWS = 4  # shown without scrolling
_GREY = QColor(128, 128, 128)  # readable on dark and on light themes


class ModelList(QListWidget):
    """Models with a check box each; an honest word beside those that failed a test.

    A tuned model stands below its base, and both say which is before, which after.

    ``ticked`` is emitted when models were ticked or unticked.
    """

    ticked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards: dict[str, ModelCard] = {}  # by title
        self._reasons: dict[str, str] = {}
        self._stages: dict[str, str] = {}
        self.setAccessibleName("Models to compare")
        self.setToolTip(
            "Tick the models to show side by side, for example one before and after "
            "fine-tuning (Space ticks)."
        )
        self.setFixedHeight(_ROWS * self.fontMetrics().lineSpacing() + 14)
        self.itemChanged.connect(self._on_item_changed)

    def set_cards(self, cards: Iterable[ModelCard]) -> None:
        """Offer `cards`; those that were ticked stay so, the first is if none was."""
        chosen = {card.id for card in self.cards().values()}
        self._cards = titles_of(in_order(cards))
        self._stages = stages_of(self._cards)
        self._reasons = {}
        with QSignalBlocker(self):
            self.clear()
            for title in self._cards:
                self.addItem(self._item(title))
            self._tick(chosen)
        self.ticked.emit()

    def cards(self) -> dict[str, ModelCard]:
        """Give the ticked models by a title that no two of them share."""
        return {
            title: self._cards[title]
            for item, title in self._titled()
            if item.checkState() is Qt.CheckState.Checked
        }

    def stages(self) -> dict[str, str]:
        """Give which of the ticked models is "before", which "after" fine-tuning."""
        return stages_of(self.cards())

    def pair(self) -> tuple[str, ...]:
        """Give the ids of the base and the tuned model of a ticked one; or ()."""
        found = pair_of(self.cards().values(), self._cards.values())
        return tuple(card.id for card in found)

    def choose(self, ids: Collection[str]) -> None:
        """Tick the models with these ids; unknown ones change nothing."""
        with QSignalBlocker(self):
            self._tick(ids)
        self.ticked.emit()

    def set_honesty(self, title: str, is_passed: bool, reason: str = "") -> None:
        """Grey a model whose map failed a test, with the reason; or undo that."""
        self._reasons.pop(title, None)
        if not is_passed:
            self._reasons[title] = reason
        with QSignalBlocker(self):
            for item, known in self._titled():
                if known == title:
                    self._describe(item, title)

    def reasons(self) -> Mapping[str, str]:
        """Give the models that failed a test, and why."""
        return dict(self._reasons)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {"models": [card.id for card in self.cards().values()]}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        ids = values.get("models")
        if isinstance(ids, list) and {c.id for c in self._cards.values()} & set(
            map(str, ids)
        ):
            self.choose([str(name) for name in ids])

    def _item(self, title: str) -> QListWidgetItem:
        item = QListWidgetItem()
        item.setData(Qt.ItemDataRole.UserRole, title)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Unchecked)
        self._describe(item, title)
        return item

    def _describe(self, item: QListWidgetItem, title: str) -> None:
        card, reason = self._cards[title], self._reasons.get(title)
        stage = self._stages.get(title, "")
        words = [title, stage, "" if reason is None else "not honest"]
        item.setText(" \N{EM DASH} ".join(filter(None, words)))
        weights = f"weights {card.sha256[:12]}" if card.sha256 else "no weights"
        base = base_of(card, self._cards.values())
        parent = f", fine-tuned from {base.title or base.id}" if base else ""
        item.setToolTip(reason or f"{card.id}, {weights}{parent}")
        item.setForeground(QBrush() if reason is None else QBrush(_GREY))

    def _tick(self, ids: Collection[str]) -> None:
        known = [card.id for card in self._cards.values()]
        wanted = [name for name in known if name in ids] or known[:1]
        for item, title in self._titled():
            is_ticked = self._cards[title].id in wanted
            state = Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked
            item.setCheckState(state)

    def _titled(self) -> list[tuple[QListWidgetItem, str]]:
        items = [self.item(row) for row in range(self.count())]
        return [(i, i.data(Qt.ItemDataRole.UserRole)) for i in items if i is not None]

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        self.ticked.emit()


def titles_of(cards: Iterable[ModelCard]) -> dict[str, ModelCard]:
    """Give cards by title; where two share one, the id is added."""
    listed = list(cards)
    plain = [card.title or card.id for card in listed]
    return {
        title if plain.count(title) == 1 else f"{title} ({card.id})": card
        for title, card in zip(plain, listed, strict=True)
    }
