"""RunBox: Run, Cancel, progress with speed and time left, and what there is to say."""

from __future__ import annotations

from time import perf_counter

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

_SHOW_EVERY = 0.25  # s


class RunBox(QWidget):
    """Starts and stops; shows how far a run is, or why none can start or went wrong."""

    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._started = self._shown = self._first = 0.0
        self._reason = ""
        self.is_running = False
        self.run_button = QPushButton("&Run")
        self.run_button.setToolTip("Synthesise (Ctrl+Return).")
        self.cancel_button = QPushButton("&Cancel")
        self.cancel_button.setToolTip("Stop; what is done stays (Esc).")
        self.bar = QProgressBar()
        self.bar.setToolTip("Slices that are done.")
        self.bar.setTextVisible(True)
        self.status_label = _plain_label()
        self.reason_label = _plain_label()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.reason_label, self.status_label, self.bar):
            layout.addWidget(item)
        layout.addLayout(buttons)
        self.run_button.clicked.connect(self.run_clicked)
        self.cancel_button.clicked.connect(self.cancel_clicked)
        self.bar.hide()
        self.say("")
        self.set_reason("")

    def set_reason(self, reason: str) -> None:
        """Disable Run and show why; "" enables it."""
        self._reason = reason
        self._update_buttons()

    def say(self, text: str) -> None:
        """Show one line, until the next."""
        self.status_label.setText(text)
        self.status_label.setVisible(bool(text))

    def start(self, text: str, total: int) -> None:
        """Show a run that has just begun."""
        self.is_running = True
        self._started = self._shown = self._first = 0.0
        self.bar.setRange(0, total)
        self.bar.setValue(0)
        self.bar.show()
        self.say(text)
        self._update_buttons()

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Show `done` of `total` slices, the speed and the time left, now and then.

        A progress bar that is set draws the whole window at once.
        """
        now = perf_counter()
        if now - self._shown < _SHOW_EVERY and done < total and not message:
            return
        self._shown = now
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        if not self._started:
            self._started, self._first = now, done
        text = f"{done} of {total} slices"
        seconds, n_since = now - self._started, done - self._first
        if n_since and seconds > 0:
            rate = n_since / seconds
            text += f" \N{MIDDLE DOT} {rate:.1f} slices/s"
            text += f" \N{MIDDLE DOT} {_duration((total - done) / rate)} left"
        self.say(f"{text}\n{message}" if message else text)

    def advance_share(self, share: float, sentence: str) -> None:
        """Show how much of work of any kind is done, 0 to 1, and the time left."""
        now = perf_counter()
        if now - self._shown < _SHOW_EVERY and share < 1:
            return
        self._shown = now
        self.bar.setRange(0, 100)
        self.bar.setValue(round(100 * share))
        if not self._started and share > 0:
            self._started, self._first = now, share
        seconds, gained = now - self._started, share - self._first
        if self._started and seconds > 0 and gained > 0:
            left = _duration((1 - share) * seconds / gained)
            sentence += f" \N{MIDDLE DOT} {left} left"
        self.say(sentence)

    def show_stopping(self) -> None:
        """Show that Cancel was heard."""
        self.cancel_button.setEnabled(False)
        self.say("Cancelling\N{HORIZONTAL ELLIPSIS}")

    def end(self, text: str) -> None:
        """Show what came of the run."""
        self.is_running = False
        self.bar.hide()
        self.say(text)
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.run_button.setEnabled(not self.is_running and not self._reason)
        self.cancel_button.setEnabled(self.is_running)
        self.reason_label.setText(self._reason)
        self.reason_label.setVisible(bool(self._reason) and not self.is_running)


def _duration(seconds: float) -> str:
    """Write a time for people: "8 s", "2 min 05 s"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def _plain_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label
