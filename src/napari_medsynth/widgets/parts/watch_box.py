"""WatchBox: start, stop and watch a training run."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from .loss_plot import LossPlot
from .pace import Pace
from .plain import plain_label, push_button
from .section import Section
from .training_bars import TrainingBars
from .training_words import facts_text, log_line, state_text

_SURE_AFTER = 60.0  # s of training that one click does not throw away
_SURE_FOR = 5000  # ms
_MAX_LOG_LINES = 500
_DISCARD, _SURE = "Stop and dis&card", "Dis&card: sure?"


class WatchBox(QWidget):
    """Buttons, progress, curves and log of one run; it shows and asks, nothing more.

    Feed it the events of a run as JSON values. They are shown together, see `Pace`.
    """

    start_clicked = Signal()
    stop_and_keep_clicked = Signal()
    stop_and_discard_clicked = Signal()
    resume_clicked = Signal()
    look_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_running = False
        self._reason = ""
        self._offer = ""
        self._events: dict[str, Mapping[str, Any]] = {}  # the newest of each kind
        self._waiting: list[str] = []  # lines of the log
        self._has_preview = False
        self._started = 0.0
        self._make_labels()
        self._make_buttons()
        self.bars = TrainingBars()
        self.plot = LossPlot(is_led=True)
        self.log = _log_view()
        self._lay_out()
        self._pace = Pace(self.flush, self)
        self._sure_timer = QTimer(self)
        self._sure_timer.setSingleShot(True)
        self._sure_timer.setInterval(_SURE_FOR)
        self._sure_timer.timeout.connect(self._forget_click)
        self._update_buttons()

    def set_startable(self, reason: str) -> None:
        """Disable Start and say why; "" enables it."""
        self._reason = reason
        self._update_buttons()

    def offer_resume(self, text: str | None) -> None:
        """Offer to continue an earlier run, described by `text`; None: no offer."""
        self._offer = text or ""
        self.offer_label.setText(self._offer)
        self._update_buttons()

    def start(self, job_title: str) -> None:
        """Show a run that has just begun, with empty curves."""
        self.is_running = True
        self._has_preview = False
        self._events, self._waiting = {}, []
        self._started = monotonic()
        self.plot.clear()
        self.log.clear()
        self.note_label.setText("")
        self.bars.clear()
        self.title_label.setText(job_title)
        self.state_label.setText("Starting\N{HORIZONTAL ELLIPSIS}")
        self.facts_label.setText("")
        self._update_buttons()

    def show_event(self, event: Mapping[str, Any]) -> None:
        """Take one event as ``medsynth finetune --events`` prints it."""
        kind = str(event.get("event", ""))
        self.plot.add_event(event)
        self._events[kind] = event
        self._events["last"] = event
        self._has_preview |= bool(event.get("preview"))
        if kind == "note" and event.get("level") == "warning":
            self.note_label.setText(log_line(event))
        if line := log_line(event):
            self._waiting.append(line)
        self._pace.ask()

    def say(self, text: str) -> None:
        """Show one sentence, and keep it in the log."""
        self.state_label.setText(text)
        if text:
            self.add_log(text)

    def add_log(self, text: str) -> None:
        """Put a line, or several, at the end of the log."""
        self.log.appendPlainText(text)

    def show_stopping(self) -> None:
        """Show that a stop was heard."""
        self._forget_click()
        for button in (self.keep_button, self.discard_button):
            button.setEnabled(False)
        self.state_label.setText("Stopping after this step\N{HORIZONTAL ELLIPSIS}")

    def end(self, sentence: str) -> None:
        """Show what came of the run; Start is there again."""
        self.flush()
        self.is_running = False
        self._forget_click()
        self.say(sentence)
        self._update_buttons()

    def flush(self) -> None:
        """Show now all that was told."""
        self._pace.stop()
        if not self._events:
            return
        self.plot.draw()
        if self._waiting:
            self.log.appendPlainText("\n".join(self._waiting))
            self._waiting = []
        if text := state_text(self._events):
            self.state_label.setText(text)
        self.facts_label.setText(facts_text(self._events))
        self.bars.show_events(self._events)
        self.note_label.setVisible(bool(self.note_label.text()))
        self.look_button.setVisible(self._has_preview)

    def _make_labels(self) -> None:
        self.reason_label = plain_label("Why training cannot start")
        self.offer_label = plain_label("A run that can be continued")
        self.title_label = plain_label("Model in training")
        self.state_label = plain_label("State of the training")
        self.note_label = plain_label("Last warning of the training")
        self.facts_label = plain_label("Speed, memory and device")
        self.facts_label.setToolTip(
            "Slices learnt per second, memory of the training (of the GPU if it runs "
            "there), learning rate, device."
        )

    def _make_buttons(self) -> None:
        self.start_button = push_button(
            "&Start", "Train a copy of the base model; the base model stays as it is."
        )
        self.keep_button = push_button(
            "Stop and &keep",
            "Stop after this step, compare with the base model, and decide then.",
        )
        self.discard_button = push_button(
            _DISCARD, "Stop after this step and delete what was learnt."
        )
        self.resume_button = push_button("&Resume", "Continue the earlier run.")
        self.look_button = push_button(
            "Look at the held-&out slice",
            "Move the camera to it: source and truth above, before and now below.",
        )
        self.start_button.clicked.connect(self.start_clicked)
        self.keep_button.clicked.connect(self._on_keep_clicked)
        self.discard_button.clicked.connect(self._on_discard_clicked)
        self.resume_button.clicked.connect(self.resume_clicked)
        self.look_button.clicked.connect(self.look_clicked)

    def _lay_out(self) -> None:
        self._offer_row = QWidget()
        offer = QHBoxLayout(self._offer_row)
        offer.setContentsMargins(0, 0, 0, 0)
        offer.addWidget(self.offer_label, 1)
        offer.addWidget(self.resume_button)
        buttons = QGridLayout()
        buttons.addWidget(self.start_button, 0, 0, 1, 2)
        buttons.addWidget(self.keep_button, 1, 0)
        buttons.addWidget(self.discard_button, 1, 1)
        self.log_section = Section("Log")
        self.log_section.addWidget(self.log)
        self._live = (
            *(self.bars, self.facts_label, self.note_label),
            *(self.plot, self.log_section),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._offer_row)
        layout.addWidget(self.reason_label)
        layout.addLayout(buttons)
        for item in (self.title_label, self.state_label, *self._live[:-1]):
            layout.addWidget(item)
        layout.addWidget(self.look_button)
        layout.addWidget(self.log_section)
        self.look_button.hide()

    def _update_buttons(self) -> None:
        has_run = self.is_running or bool(self._events)
        self.start_button.setEnabled(not self.is_running and not self._reason)
        for button in (self.keep_button, self.discard_button):
            button.setEnabled(self.is_running)
        self.reason_label.setText(self._reason)
        self.reason_label.setVisible(bool(self._reason) and not self.is_running)
        self._offer_row.setVisible(bool(self._offer) and not self.is_running)
        for item in self._live:
            item.setVisible(has_run)
        self.bars.setVisible(self.is_running)
        self.title_label.setVisible(has_run)
        self.note_label.setVisible(bool(self.note_label.text()))
        self.state_label.setVisible(bool(self.state_label.text()))
        self.look_button.setVisible(self._has_preview)

    def _on_keep_clicked(self) -> None:
        self.show_stopping()
        self.stop_and_keep_clicked.emit()

    def _on_discard_clicked(self) -> None:
        """Throw away; after a while of training only at the second click."""
        is_long = monotonic() - self._started > _SURE_AFTER
        if is_long and not self._sure_timer.isActive():
            self.discard_button.setText(_SURE)
            self._sure_timer.start()
            return
        self.show_stopping()
        self.stop_and_discard_clicked.emit()

    def _forget_click(self) -> None:
        self._sure_timer.stop()
        self.discard_button.setText(_DISCARD)


def _log_view() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setReadOnly(True)
    view.setMaximumBlockCount(_MAX_LOG_LINES)
    view.setMinimumHeight(110)
    view.setMaximumHeight(220)
    view.setTabChangesFocus(True)
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setAccessibleName("Log of the training")
    view.setToolTip("What the training told, the last lines of it.")
    return view
