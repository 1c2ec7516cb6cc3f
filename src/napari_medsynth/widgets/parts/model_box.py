"""ModelBox: choose a model, see its card, and hear of providers that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)

from napari_medsynth.catalogue import ModelCard, list_cards, problems

from .card_view import CardView
from .section import Section

ALL_TASKS = "all tasks"
NOT_TRAINED = (
    "Not trained yet: train it in the Fine-tune dock, with “medsynth train {id}”, or "
    "import official weights."
)
FRESH = "Not trained: starts from fresh weights."

Untrained = Literal["hidden", "disabled", "enabled"]


class ModelBox(QWidget):
    """Task filter, model combo with a refresh button, card view, line of problems.

    Parameters
    ----------
    accepts : callable
        Tells of a card whether it is offered.
    untrained : {"hidden", "disabled", "enabled"}
        What becomes of models without weights: they are left out, or listed below the
        others, to be seen or to be chosen.
    tasks : mapping, optional
        Task of a card to its name, for a dock that always has one of these chosen; all
        tasks that there are, and "all tasks", by default.
    """

    card_changed = Signal(object)

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        accepts: Callable[[ModelCard], object] = bool,
        untrained: Untrained = "hidden",
        tasks: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(parent)
        self._accepts = accepts
        self._untrained = untrained
        self._tasks = tasks
        self._cards: list[ModelCard] = []
        self._blueprints: list[ModelCard] = []
        self.card: ModelCard | None = None
        self.task_combo = QComboBox()
        self.task_combo.setToolTip("Show the models of one task only.")
        self.model_combo = QComboBox()
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.model_combo.setSizeAdjustPolicy(policy)
        self.model_combo.setMinimumContentsLength(12)
        self.refresh_button = QToolButton()
        self.refresh_button.setText("\N{CLOCKWISE OPEN CIRCLE ARROW}")
        self.refresh_button.setToolTip("Look again for models, also imported ones.")
        self.refresh_button.setAccessibleName("Refresh models")
        self.problem_label = QLabel()
        self.problem_label.setWordWrap(True)
        self.problem_label.setTextFormat(Qt.TextFormat.PlainText)
        self.card_view = CardView()
        self.about = Section("About this model")
        self.about.addWidget(self.card_view)
        self._lay_out()
        self.task_combo.activated.connect(self._on_task_activated)
        self.model_combo.activated.connect(self._on_model_activated)
        self.refresh_button.clicked.connect(self.refresh)
        self.refresh()

    @property
    def is_trained(self) -> bool:
        """Whether the chosen model has weights."""
        return self.card is not None and self.card in self._cards

    def refresh(self) -> None:
        """Read the catalogue again and keep the choice if it is still there."""
        chosen = self.card.id if self.card else ""
        task = self.task
        found = list_cards()
        trained = {card.id for card in found}
        accepted = (card for card in found if self._accepts(card))
        # Where both are offered, a dock begins with one that makes another contrast.
        self._cards = sorted(accepted, key=lambda card: card.is_restoration)
        everything = () if self._untrained == "hidden" else list_cards(blueprints=True)
        self._blueprints = [
            card
            for card in everything
            if card.id not in trained and self._accepts(card)
        ]
        self._fill_tasks(task)
        self._show_problems(problems())
        self._fill_models(chosen)

    @property
    def task(self) -> str:
        """The task that models are filtered by; "" for all."""
        return str(self.task_combo.currentData() or "")

    def choose(self, card_id: str, *, task: str = "") -> None:
        """Choose a task and a model; what is unknown changes nothing."""
        index = self.task_combo.findData(task) if task else 0
        self.task_combo.setCurrentIndex(max(index, 0))
        self._fill_models(card_id)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.model_combo, 1)
        line.addWidget(self.refresh_button)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        model_label = QLabel("&Model")
        model_label.setBuddy(self.model_combo)
        form.addRow("&Task", self.task_combo)
        form.addRow(model_label, line)
        form.addRow(self.problem_label)
        form.addRow(self.about)

    def _fill_tasks(self, chosen: str) -> None:
        cards = (*self._cards, *self._blueprints)
        found = {task: task for task in dict.fromkeys(card.task for card in cards)}
        tasks = {"": ALL_TASKS, **found} if self._tasks is None else self._tasks
        with QSignalBlocker(self.task_combo):
            self.task_combo.clear()
            for task, name in tasks.items():
                self.task_combo.addItem(name, task)
            index = self.task_combo.findData(chosen)
            self.task_combo.setCurrentIndex(max(index, 0))

    def _fill_models(self, chosen: str) -> None:
        """Offer the cards of the task, with `chosen` selected if it is there."""
        cards, blueprints = self._of_task(self._cards), self._of_task(self._blueprints)
        combo = self.model_combo
        with QSignalBlocker(combo):
            combo.clear()
            for card in cards:
                combo.addItem(card.title, card.id)
            if cards and blueprints:
                combo.insertSeparator(len(cards))
            for card in blueprints:
                self._add_blueprint(card)
            combo.setCurrentIndex(self._index_of(chosen, has_any=bool(cards)))
        self._on_model_activated()

    def _of_task(self, cards: Iterable[ModelCard]) -> list[ModelCard]:
        return [card for card in cards if self.task in ("", card.task)]

    def _add_blueprint(self, card: ModelCard) -> None:
        combo, index = self.model_combo, self.model_combo.count()
        combo.addItem(f"{card.title} (not trained)", card.id)
        tip = self._about_untrained(card)
        combo.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        items = combo.model()
        item = items.item(index) if isinstance(items, QStandardItemModel) else None
        if item is not None and self._untrained == "disabled":
            item.setEnabled(False)

    def _about_untrained(self, card: ModelCard) -> str:
        can_be_chosen = self._untrained == "enabled"
        return FRESH if can_be_chosen else NOT_TRAINED.format(id=card.id)

    def _index_of(self, card_id: str, *, has_any: bool) -> int:
        """Give the row of a model that can be chosen, else of the first; -1 if none."""
        index = self.model_combo.findData(card_id)
        can_be_chosen = self._untrained == "enabled" or any(
            card.id == card_id for card in self._cards
        )
        if index >= 0 and can_be_chosen:
            return index
        return 0 if has_any or self._untrained == "enabled" else -1

    def _on_task_activated(self) -> None:
        self._fill_models(self.card.id if self.card else "")

    def _on_model_activated(self) -> None:
        card_id = self.model_combo.currentData()
        known = (*self._cards, *self._blueprints)
        card = next((card for card in known if card.id == card_id), None)
        tip = f"{card.title} ({card.id})" if card else "No model is installed."
        if card is not None and card not in self._cards:
            tip += "\n" + self._about_untrained(card)
        self.model_combo.setToolTip(tip)
        if card == self.card:
            return
        self.card = card
        self.card_view.set_card(card)
        self.card_changed.emit(card)

    def _show_problems(self, sentences: list[str]) -> None:
        """Show the first problem; the tool tip has them all."""
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        self.problem_label.setVisible(bool(sentences))
        self.problem_label.setText(
            f"\N{WARNING SIGN} {sentences[0]}{more}" if sentences else ""
        )
        self.problem_label.setToolTip("\n".join(sentences))
