"""CalibrationBox: measure on local subjects how wide intervals must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QSpinBox, QVBoxLayout, QWidget

from napari_medsynth.widgets._self_test_jobs import Place, calibrate
from napari_medsynth.widgets._work import Work

from .plain import plain_label
from .run_box import RunBox

if TYPE_CHECKING:
    from napari_medsynth.trust.local_cases import Calibrated, CalibrationStep
    from napari_medsynth.widgets._request import Request
    from napari_medsynth.widgets._uncertainty_jobs import VariantSettings

_USUAL_STEP = 4
_MOST_PROBLEMS = 4


class CalibrationBox(QWidget):
    """Calibrates the intervals of "How sure?" for the chosen sources and targets.

    Parameters
    ----------
    get_request, get_settings : callable
        Give what is made of what, and how syntheses are varied.
    get_place : callable
        Gives where the subjects are; None if a layer cannot be used.

    Attributes
    ----------
    calibrated : Signal
        A calibration was kept.
    changed : Signal
        A choice that is worth remembering has changed.
    """

    calibrated = Signal()
    changed = Signal()

    def __init__(
        self,
        get_request: Callable[[], Request | None],
        get_settings: Callable[[], VariantSettings],
        get_place: Callable[[], Place | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._get_request, self._get_settings = get_request, get_settings
        self._get_place = get_place
        self.purpose_label = plain_label("What the calibration is for")
        self.step_box = QSpinBox()
        self.step_box.setRange(1, 50)
        self.step_box.setValue(_USUAL_STEP)
        self.step_box.setPrefix("one in ")
        self.step_box.setToolTip("Which slices of each subject are run.")
        self.run_box = RunBox()
        self.run_box.run_button.setText("Calibrate on l&ocal cases")
        self.run_box.run_button.setToolTip(
            "Make the target of every subject several times, and compare it with the "
            "real image: how wide must an interval be to hold it?"
        )
        self.run_box.cancel_button.setToolTip("Stop at once; nothing is kept (Esc).")
        self.statement_label = plain_label("What the interval promises")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Slices", self.step_box)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.purpose_label)
        column.addLayout(form)
        column.addWidget(self.run_box)
        column.addWidget(self.statement_label)
        self._run = Work()
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether it calibrates."""
        return self._run.is_busy

    def set_reason(self, reason: str) -> None:
        """Take note of another choice, and why it cannot be calibrated."""
        request = None if reason else self._get_request()
        purpose = ""
        if request is not None:
            made, shown = (
                ", ".join(request.targets),
                ", ".join(request.study.modalities),
            )
            purpose = f"Interval of {made} made of {shown}, by "
            purpose += f"{self._get_settings().method}, {request.options.plane}."
            if not request.card.sha256:
                reason = f"{request.card.title} has no weights: nothing can be kept."
        self.purpose_label.setText(purpose)
        self.purpose_label.setVisible(bool(purpose))
        self.run_box.set_reason(reason)

    def run(self) -> None:
        """Calibrate."""
        request, place = self._get_request(), self._get_place()
        if request is None or place is None or self.is_busy:
            return
        self.statement_label.setText("")
        self.run_box.start("Looking for subjects\N{HORIZONTAL ELLIPSIS}", 100)
        step = self.step_box.value()
        self._run.start(calibrate, request, self._get_settings(), place, step)

    def cancel(self) -> None:
        """Stop at once; nothing is kept."""
        if self._run.is_busy:
            self._run.abandon()
            self.run_box.end("Cancelled.")

    def close(self) -> bool:
        """Stop all work; again, it changes nothing."""
        self._end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"step": self.step_box.value()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        if isinstance(values.get("step"), int):
            self.step_box.setValue(values["step"])

    def _connect(self) -> None:
        self.step_box.valueChanged.connect(self.changed)
        self.run_box.run_clicked.connect(self.run)
        self.run_box.cancel_clicked.connect(self.cancel)
        self._run.progressed.connect(self._on_progressed)
        self._run.done.connect(self._on_done)
        self._run.failed.connect(self.run_box.end)
        self._end = partial(Work.abandon, self._run)
        self.destroyed.connect(self._end)

    def _on_progressed(self, step: CalibrationStep | None) -> None:
        if step is not None:
            which = f"Subject {step.subject} of {step.n_subjects}, {step.sentence}"
            self.run_box.advance_share(step.share, which)

    def _on_done(self, found: Calibrated) -> None:
        listed = list(found.problems[:_MOST_PROBLEMS])
        if len(found.problems) > _MOST_PROBLEMS:
            listed.append(f"And {len(found.problems) - _MOST_PROBLEMS} more.")
        self.run_box.end("\n".join(("Kept for later results.", *listed)))
        sentences = [f"{c.facts['target']}: {c.statement}" for c in found.calibrations]
        self.statement_label.setText("\n".join(sentences))
        self.calibrated.emit()
