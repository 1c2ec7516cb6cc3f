"""TrainingBars: how far a training run is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from .training_words import time_left


class TrainingBars(QWidget):
    """One bar for the epoch, one for all steps with the time that is left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.epoch_bar = QProgressBar()
        self.epoch_bar.setToolTip("Steps of this epoch: every slice is seen once.")
        self.epoch_bar.setAccessibleName("Progress of the epoch")
        self.all_bar = QProgressBar()
        self.all_bar.setToolTip("All steps, and the time that is left.")
        self.all_bar.setAccessibleName("Progress of the training")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for bar in (self.epoch_bar, self.all_bar):
            bar.setMinimumWidth(60)
            layout.addWidget(bar)
        self.clear()

    def clear(self) -> None:
        """Show that nothing is done yet."""
        for bar in (self.epoch_bar, self.all_bar):
            bar.setRange(0, 1)
            bar.setValue(0)
            bar.setFormat("")

    def show_events(self, events: Mapping[str, Mapping[str, Any]]) -> None:
        """Show the newest event of each kind; the very newest is "last"."""
        started, last = events.get("started"), events["last"]
        if last.get("event") == "judging":
            _show(self.all_bar, last["done"], last["total"], "%v of %m comparisons")
        elif started is not None:
            self._show_steps(started, events.get("step"))

    def _show_steps(
        self, started: Mapping[str, Any], step: Mapping[str, Any] | None
    ) -> None:
        done = int((step or started)["step"])
        per_epoch = max(int(started["steps_per_epoch"]), 1)
        in_epoch = (done - 1) % per_epoch + 1 if done else 0
        _show(self.epoch_bar, in_epoch, per_epoch, "%v of %m in this epoch")
        left = f" \N{MIDDLE DOT} {time_left(step)}" if step else ""
        _show(self.all_bar, done, started["n_steps"], f"%v of %m steps{left}")


def _show(bar: QProgressBar, done: int, total: int, text: str) -> None:
    bar.setUpdatesEnabled(False)  # else each value draws the whole window at once
    bar.setRange(0, max(int(total), 1))
    bar.setValue(int(done))
    bar.setFormat(text)
    bar.setUpdatesEnabled(True)
