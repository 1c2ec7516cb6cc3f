"""ModelBox: choose a model, see its card, and hear of providers that failed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QSignalBlocker, Qt, Signal
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


class ModelBox(QWidget):
    """Task filter, model combo with a refresh button, card view, line of problems.

    `accepts` tells of a card whether it is offered.
    """

    card_changed = Signal(object)

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        accepts: Callable[[ModelCard], object] = bool,
    ) -> None:
        super().__init__(parent)
        self._accepts = accepts
        self._cards: list[ModelCard] = []
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

    def refresh(self) -> None:
        """Read the catalogue again and keep the choice if it is still there."""
        chosen = self.card.id if self.card else ""
        task = self.task
        self._cards = [card for card in list_cards() if self._accepts(card)]
        tasks = list(dict.fromkeys(card.task for card in self._cards))
        with QSignalBlocker(self.task_combo):
            self.task_combo.clear()
            self.task_combo.addItems([ALL_TASKS, *tasks])
            self.task_combo.setCurrentText(task if task in tasks else ALL_TASKS)
        self._show_problems(problems())
        self._fill_models(chosen)

    @property
    def task(self) -> str:
        """The task that models are filtered by; "" for all."""
        text = self.task_combo.currentText()
        return "" if text == ALL_TASKS else text

    def choose(self, card_id: str, *, task: str = "") -> None:
        """Choose a task and a model; what is unknown changes nothing."""
        index = self.task_combo.findText(task) if task else 0
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

    def _fill_models(self, chosen: str) -> None:
        """Offer the cards of the task, with `chosen` selected if it is there."""
        cards = [card for card in self._cards if self.task in ("", card.task)]
        with QSignalBlocker(self.model_combo):
            self.model_combo.clear()
            for card in cards:
                self.model_combo.addItem(card.title, card.id)
            self.model_combo.setCurrentIndex(max(self.model_combo.findData(chosen), 0))
        self._on_model_activated()

    def _on_task_activated(self) -> None:
        self._fill_models(self.card.id if self.card else "")

    def _on_model_activated(self) -> None:
        card_id = self.model_combo.currentData()
        card = next((card for card in self._cards if card.id == card_id), None)
        self.model_combo.setToolTip(
            f"{card.title} ({card.id})" if card else "No model is installed."
        )
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
