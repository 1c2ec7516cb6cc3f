"""VerdictBox: is the trained model better, and is it to be kept?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._preview_file import read_preview

from .plain import plain_label, push_button
from .swipe_view import Shown, SwipeView
from .verdict_table import MEASURES, VerdictTable, interval_text

_WORDS = {
    "better": "\N{HEAVY CHECK MARK} Better",
    "not distinguishable": "\N{ALMOST EQUAL TO} Not distinguishable",
    "worse": "\N{HEAVY BALLOT X} Worse",
    "new": "A new model",
}
_EMPTY = "After the training, base and trained model are compared here."
_EMPTY_FRESH = (
    "After the training, the new model can be kept here; there is no base model to "
    "compare it with."
)
_TO_KEEP = ("better", "new")  # without a second thought


class VerdictBox(QWidget):
    """Verdict, numbers, before and after, and the choice to keep the model.

    A model that is not better can only be kept after a second, conscious choice.
    """

    keep_clicked = Signal(str)
    discard_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._verdict: Mapping[str, Any] | None = None
        self._has_base = True
        self.heading_label = plain_label()
        font = self.heading_label.font()
        font.setBold(True)
        self.heading_label.setFont(font)
        self.sentence_label = plain_label()
        self.interval_label = plain_label()
        self.notes_label = plain_label()
        self.measure_combo = _combo("Which number the table shows.")
        for measure, title in MEASURES.items():
            self.measure_combo.addItem(title, measure)
        self.table = VerdictTable()
        self.swipe = SwipeView()
        self.shown_combo = _combo("What is left and right of the line.")
        for shown in Shown:
            self.shown_combo.addItem(shown.capitalize(), shown)
        self._make_choice()
        self._lay_out()
        self.measure_combo.activated.connect(self._show_numbers)
        self.shown_combo.activated.connect(self._on_shown_activated)
        self.clear()

    @property
    def title(self) -> str:
        """The name under which the model is to be kept."""
        return self.title_edit.text().strip()

    def set_title(self, title: str) -> None:
        """Propose a name for the model."""
        self.title_edit.setText(title)

    def clear(self) -> None:
        """Show that there is no verdict."""
        self._verdict = None
        self.swipe.set_images({})
        self.say("")
        self.sentence_label.setText(_EMPTY if self._has_base else _EMPTY_FRESH)
        self._update()

    def set_has_base(self, has_base: bool) -> None:
        """Say whether what is to be trained is compared with something afterwards."""
        self._has_base = has_base
        if self.sentence_label.text() in (_EMPTY, _EMPTY_FRESH):
            self.sentence_label.setText(_EMPTY if has_base else _EMPTY_FRESH)

    def show_verdict(self, verdict: Mapping[str, Any]) -> None:
        """Show a verdict, as `training.verdict.Verdict.to_json` gives it."""
        self._verdict = verdict
        word = str(verdict.get("verdict", ""))
        weak = " (weak verdict)" if verdict.get("is_weak") else ""
        forgot = ", but forgetful" if verdict.get("has_forgotten") else ""
        self.heading_label.setText(f"{_WORDS.get(word, word)}{forgot}{weak}")
        self.sentence_label.setText(str(verdict.get("sentence", "")))
        self.notes_label.setText("\n".join(map(str, verdict.get("notes", ()))))
        self.swipe.left_name = "untrained" if word == "new" else "base"
        self.anyway_box.setChecked(False)
        self.say("")
        self._show_numbers()
        self._update()

    def show_preview(self, path: Path | str) -> None:
        """Show before and after of the held-out slice of a run's ``preview.npz``."""
        try:
            self.swipe.set_images(read_preview(path).images)
        except MedSynthError:
            self.swipe.set_images({})
        self._update()

    def end(self, sentence: str) -> None:
        """Say what came of the choice; it cannot be made twice."""
        self._verdict = None
        self._update()
        self.say(sentence)

    def say(self, text: str) -> None:
        """Show one sentence below the buttons."""
        self.status_label.setText(text)
        self.status_label.setVisible(bool(text))

    def _make_choice(self) -> None:
        self.title_edit = QLineEdit()
        self.title_edit.setPlaceholderText("Name of the new model")
        self.title_edit.setToolTip("Under this name the model is offered afterwards.")
        self.title_edit.setAccessibleName("Name of the new model")
        self.title_edit.setMaxLength(80)
        self.anyway_box = QCheckBox("Keep it although it is not &better")
        self.anyway_box.setToolTip(
            "The held-out subjects do not show that it is better than the base model."
        )
        self.keep_button = push_button(
            "Keep as &new model",
            "Install it beside the base model, with its numbers and how it was made.",
        )
        self.discard_button = push_button(
            "&Discard", "Forget it; the base model is as it was."
        )
        self.status_label = plain_label()
        self.title_edit.textChanged.connect(self._update)
        self.title_edit.returnPressed.connect(self.keep_button.click)
        self.anyway_box.toggled.connect(self._update)
        self.keep_button.clicked.connect(self._on_keep_clicked)
        self.discard_button.clicked.connect(self.discard_clicked)

    def _lay_out(self) -> None:
        self._numbers = QWidget()
        numbers = QVBoxLayout(self._numbers)
        numbers.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.addRow("Measure", self.measure_combo)
        numbers.addLayout(form)
        numbers.addWidget(self.interval_label)
        numbers.addWidget(self.table)
        self._pictures = QWidget()
        pictures = QVBoxLayout(self._pictures)
        pictures.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        form.addRow("Show", self.shown_combo)
        pictures.addLayout(form)
        pictures.addWidget(self.swipe)
        buttons = QHBoxLayout()
        buttons.addWidget(self.keep_button, 2)
        buttons.addWidget(self.discard_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (
            *(self.heading_label, self.sentence_label, self._numbers),
            *(self.notes_label, self._pictures),
            *(self.title_edit, self.anyway_box),
        ):
            layout.addWidget(item)
        layout.addLayout(buttons)
        layout.addWidget(self.status_label)

    def _show_numbers(self) -> None:
        if self._verdict is None:
            return
        measure = self.measure_combo.currentData()
        overall = interval_text(self._verdict, measure, of="differences")
        own = interval_text(self._verdict, measure, of="forgetting")
        lines = [f"Held-out subjects: {overall}"] if overall else []
        lines += [f"Base model's own task: {own}"] if own else []
        self.interval_label.setText("\n".join(lines))
        self.table.show_verdict(self._verdict, measure)
        self._numbers.setVisible(self.table.rowCount() > 0)

    def _update(self) -> None:
        has_verdict = self._verdict is not None
        is_better = (self._verdict or {}).get("verdict") in _TO_KEEP
        is_allowed = is_better or self.anyway_box.isChecked()
        self.heading_label.setVisible(has_verdict)
        self._numbers.setVisible(has_verdict and self.table.rowCount() > 0)
        self.notes_label.setVisible(bool(self.notes_label.text()))
        self._pictures.setVisible(self.swipe.has_images)
        self.anyway_box.setVisible(has_verdict and not is_better)
        self.title_edit.setVisible(has_verdict)
        self.keep_button.setVisible(has_verdict)
        self.discard_button.setVisible(has_verdict)
        self.keep_button.setEnabled(has_verdict and is_allowed and bool(self.title))

    def _on_shown_activated(self) -> None:
        self.swipe.set_shown(self.shown_combo.currentData())

    def _on_keep_clicked(self) -> None:
        self.keep_clicked.emit(self.title)


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(8)
    return combo
