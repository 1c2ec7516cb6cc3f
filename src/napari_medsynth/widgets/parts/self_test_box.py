"""SelfTestBox: hide what local subjects have, have it made again, and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QMessageBox,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.errors import MedSynthError
from napari_medsynth.trust.site import SelfTest, load_self_test
from napari_medsynth.widgets._self_test_jobs import (
    Place,
    SelfTestTask,
    forget,
    run_self_test,
)
from napari_medsynth.widgets._work import Work
from napari_medsynth.widgets._worker import tell_error

from .options_box import RunOptions
from .plain import plain_label, push_button
from .run_box import RunBox
from .self_test_table import SelfTestTable, summary_of

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.trust.self_test import SelfTestStep

MASKS = {
    "leave one out": ("leave one out", "Hide one contrast at a time."),
    "all": ("every subset", "Show every subset of the contrasts, make the others."),
}
_ALL_SLICES = 0
_USUAL_SLICES = 20
_MOST_PROBLEMS = 4
NOTHING = "This model was not tested here yet."


class SelfTestBox(QWidget):
    """Runs the self-test of a model, keeps it, and shows what is kept.

    Parameters
    ----------
    get_place : callable
        Gives where the subjects are; None if a layer cannot be used.
    ask : callable, optional
        Asks a question, as ``QMessageBox.question``.

    Attributes
    ----------
    measured : Signal
        What is kept of the model has changed.
    changed : Signal
        A choice that is worth remembering has changed.
    """

    measured = Signal()
    changed = Signal()

    def __init__(
        self,
        get_place: Callable[[], Place | None],
        parent: QWidget | None = None,
        *,
        ask: Callable[..., object] = QMessageBox.question,
    ) -> None:
        super().__init__(parent)
        self._get_place, self.ask = get_place, ask
        self._card: ModelCard | None = None
        self._options = RunOptions()
        self._tested: ModelCard | None = None  # by what runs
        self.test: SelfTest | None = None
        self.masks_combo = QComboBox()
        for masks, (title, tip) in MASKS.items():
            self.masks_combo.addItem(title, masks)
            self.masks_combo.setToolTip(tip)
        self.slices_box = QSpinBox()
        self.slices_box.setRange(_ALL_SLICES, 1000)
        self.slices_box.setSpecialValueText("all")
        self.slices_box.setValue(_USUAL_SLICES)
        self.slices_box.setToolTip("Slices of each subject, evenly from its middle.")
        self.run_box = RunBox()
        self.run_box.run_button.setText("&Test the model here")
        self.run_box.run_button.setToolTip(
            "Hide each contrast that is there, make it of the others, and compare."
        )
        self.run_box.cancel_button.setToolTip("Stop at once; nothing is kept (Esc).")
        self.table = SelfTestTable()
        self.summary_label = plain_label("What was measured here")
        self.forget_button = push_button(
            "Forget\N{HORIZONTAL ELLIPSIS}", "Forget what was measured of this model."
        )
        self._run, self._forgetting = Work(), Work()
        self._lay_out()
        self._connect()
        self._show()

    @property
    def is_busy(self) -> bool:
        """Whether the model is tested, or forgotten."""
        return self._run.is_busy or self._forgetting.is_busy

    def set_choice(
        self, card: ModelCard | None, options: RunOptions, reason: str
    ) -> None:
        """Take another model, and why it cannot be tested; "" if it can."""
        self._options = options
        if card is not None and not card.sha256:
            reason = f"{card.title} has no weights: nothing can be kept of it."
        self.run_box.set_reason(reason)
        if card != self._card:
            self._card = card
            self.cancel()
            self.load()

    def load(self) -> None:
        """Show what is kept of the model; reads a small file."""
        self.test = None
        try:
            if self._card is not None:
                self.test = load_self_test(self._card)
        except MedSynthError as err:
            self.run_box.say(tell_error(err))
        self._show()

    def run(self) -> None:
        """Test the model."""
        place = self._get_place()
        if self._card is None or place is None or self.is_busy:
            return
        options = self._options
        task = SelfTestTask(
            self._card,
            place,
            str(self.masks_combo.currentData()),
            self.slices_box.value() or None,
            options.plane,
            options.device,
            options.precision,
        )
        self.run_box.start("Looking for subjects\N{HORIZONTAL ELLIPSIS}", 100)
        self._run.start(run_self_test, task)

    def cancel(self) -> None:
        """Stop at once; nothing is kept."""
        if self._run.is_busy:
            self._run.abandon()
            self.run_box.end("Cancelled.")

    def forget(self) -> None:
        """Forget what is kept of the model, if the user means it."""
        if self._card is None or self.test is None or self.is_busy:
            return
        question = (
            f"Forget what was measured of {self._card.title} on "
            f"{self.test.n_subjects} subjects at this site?"
        )
        if self.ask(self, "Forget", question) == QMessageBox.StandardButton.Yes:
            self._forgetting.start(forget, self._card)

    def close(self) -> bool:
        """Stop all work; again, it changes nothing."""
        for end in self._ends:
            end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        masks, slices = self.masks_combo.currentData(), self.slices_box.value()
        return {"masks": masks, "slices": slices}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        index = self.masks_combo.findData(values.get("masks"))
        self.masks_combo.setCurrentIndex(max(index, 0))
        if isinstance(values.get("slices"), int):
            self.slices_box.setValue(values["slices"])

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("&Hide", self.masks_combo)
        form.addRow("Slices", self.slices_box)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        for part in (self.run_box, self.summary_label, self.table, self.forget_button):
            column.addWidget(part)

    def _connect(self) -> None:
        self.masks_combo.currentIndexChanged.connect(self.changed)
        self.slices_box.valueChanged.connect(self.changed)
        self.run_box.run_clicked.connect(self.run)
        self.run_box.cancel_clicked.connect(self.cancel)
        self.forget_button.clicked.connect(self.forget)
        self._run.progressed.connect(self._on_progressed)
        self._run.done.connect(self._on_done)
        self._run.failed.connect(self.run_box.end)
        self._forgetting.done.connect(self._on_forgotten)
        self._forgetting.failed.connect(self.run_box.say)
        self._ends = [partial(Work.abandon, w) for w in (self._run, self._forgetting)]
        for end in self._ends:
            self.destroyed.connect(end)

    def _show(self) -> None:
        self.table.show_test(self.test)
        self.forget_button.setVisible(self.test is not None)
        summary = NOTHING if self.test is None else summary_of(self.test)
        self.summary_label.setText(summary)

    def _on_progressed(self, step: SelfTestStep | None) -> None:
        if step is not None:
            which = f"Subject {step.subject} of {step.n_subjects}: {step.sentence}"
            self.run_box.advance_share(step.share, which)

    def _on_done(self, test: SelfTest) -> None:
        self.test = test
        listed = list(test.problems[:_MOST_PROBLEMS])
        if len(test.problems) > _MOST_PROBLEMS:
            listed.append(f"And {len(test.problems) - _MOST_PROBLEMS} more.")
        self.run_box.end("\n".join(("Kept for later results.", *listed)))
        self._show()
        self.measured.emit()

    def _on_forgotten(self) -> None:
        self.run_box.say("Forgotten.")
        self.load()
        self.measured.emit()
