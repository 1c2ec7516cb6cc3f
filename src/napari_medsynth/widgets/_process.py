"""TrainingProcess: ``medsynth finetune`` as a child of the viewer."""

from __future__ import annotations

import atexit
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import psutil
from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal
from qtpy.QtWidgets import QApplication

from ._event_lines import Event, EventLines, StepThinner
from ._run_folder import RunFolder

if TYPE_CHECKING:
    from napari_medsynth.training.job import TrainJob

# -P: no file of the working directory stands in for a library
COMMAND = (sys.executable, "-P", "-m", "napari_medsynth.cli", "finetune")
_NICE = 5  # the viewer goes first
_TURN = 0.004  # s for events, in one turn of the event loop
_IDLE = 0.02  # share of a core below which a process waits for something
_leaving: set[TrainingProcess] = set()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a child may say nothing before it counts as hung [s].

    Parameters
    ----------
    idle : float
        While it does not compute either.
    busy : float
        While it computes: one step of a large network on a CPU is long.
    stopping : float
        After it was asked to stop.
    quitting : float
        While napari quits; after that it stops unwatched.
    """

    idle: float = 120
    busy: float = 1800
    stopping: float = 120
    quitting: float = 5


class TrainingProcess(QObject):
    """One child process that trains; hears its events, stops it, and tells its end.

    Signals: `event_came` with each event as a dict, thinned to few steps per second;
    `ended` once, last, with an outcome ("done", "stopped", "failed", "crashed" or
    "hung") and a sentence. It belongs to nobody: when the dock goes away, `abandon`
    lets the child write its checkpoint first.

    Parameters
    ----------
    command : sequence of str
        The program and its first arguments.
    patience : Patience
    """

    event_came = Signal(dict)
    ended = Signal(str, str)

    def __init__(
        self, command: Sequence[str] = COMMAND, *, patience: Patience | None = None
    ) -> None:
        super().__init__()
        self._command = tuple(command)
        self._patience = patience or Patience()
        self._folder: RunFolder | None = None
        self._lines = EventLines()
        self._is_stopping = self._is_killed = self._is_hung = False
        self._is_over = False
        self._last_words: Event = {}
        self._quiet = self._computed = 0.0
        self._child = _Child(self)
        self._child.started.connect(self._on_started)
        self._child.readyReadStandardOutput.connect(self._on_output)
        self._child.finished.connect(self._on_finished)
        self._child.errorOccurred.connect(self._on_error)
        self._thinner = StepThinner(self)
        self._thinner.event_came.connect(self.event_came)
        self._turn_timer = QTimer(self)
        self._turn_timer.timeout.connect(self._on_turn)
        self._watch_timer = QTimer(self)
        self._watch_timer.timeout.connect(self._on_watch)

    @property
    def is_running(self) -> bool:
        """Whether the child is there."""
        return self._child.state() != QProcess.ProcessState.NotRunning

    def start(self, job: TrainJob, folder: Path, *, resume: bool = False) -> None:
        """Train `job` in `folder`, or continue what was begun there.

        Raises
        ------
        VolumeError
            If the folder cannot be written.
        """
        self._folder = RunFolder(folder)
        path = self._folder.write_job(job)
        program, *arguments = self._command
        arguments += [str(path), "--output", str(folder), "--events", "--keep", "never"]
        child = self._child
        child.setProcessEnvironment(_environment())
        child.setStandardErrorFile(
            str(self._folder.log), QProcess.OpenModeFlag.Append
        )  # not through the window's event loop, and there if the viewer dies
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self._on_about_to_quit)
        atexit.register(self._on_about_to_quit)  # a script, a notebook: no event loop
        waits = (self._patience.idle, self._patience.stopping, 8)
        self._watch_timer.start(round(1000 * min(waits) / 4))
        child.start(program, [*arguments, *(["--resume"] if resume else [])])

    def stop(self) -> None:
        """Ask the child to stop after this step, with a checkpoint."""
        if self.is_running and not self._is_stopping:
            self._is_stopping, self._quiet = True, 0.0
            self._child.write(b"stop\n")

    def finish(self) -> None:
        """Ask the child to train no longer, and to judge what it has learnt."""
        self._child.write(b"finish\n")

    def kill(self) -> None:
        """End the child and its children at once; `ended` follows."""
        self._is_killed = True
        with suppress(psutil.Error):
            for process in psutil.Process(self._child.processId()).children(True):
                process.kill()
        self._child.kill()

    def abandon(self) -> None:
        """Let the child stop by itself and tell nobody: the dock is going away."""
        if self._is_over or self in _leaving or not self.is_running:
            return
        self.blockSignals(True)
        self._is_stopping, self._quiet = True, 0.0
        self._child.closeWriteChannel()  # to the child: the viewer is gone
        _leaving.add(self)

    def _on_started(self) -> None:
        pid = int(self._child.processId())
        try:
            process = psutil.Process(pid)
            process.nice(
                psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else _NICE
            )
        except psutil.Error as err:
            _log.info("The training process keeps its priority: %s", err)
        if self._folder is not None:
            self._folder.write_owner(pid)

    def _on_output(self) -> None:
        self._lines.feed(self._child.readAllStandardOutput().data())
        self._turn_timer.start(0)

    def _on_turn(self) -> None:
        """Pass events on for a few milliseconds; the user comes first."""
        self._quiet, self._computed = 0.0, _seconds_computed(self._child)
        end = monotonic() + _TURN
        while len(self._lines) and monotonic() < end:
            event = self._lines.take()
            if event is None:
                continue
            if event["event"] in ("done", "failed"):
                self._last_words = event
            self._thinner.add(event)
        if not len(self._lines):
            self._turn_timer.stop()
            if not self.is_running:
                self._end()

    def _on_finished(self) -> None:
        rest = self._child.readAllStandardOutput().data()
        self._lines.feed(rest, is_last=True)
        self._turn_timer.start(0)  # `_end` comes after the last event

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # there is no `finished`
            self._turn_timer.start(0)

    def _on_watch(self) -> None:
        """Look whether the child still lives, by ticks: a sleeping laptop has none."""
        self._quiet += self._watch_timer.interval() / 1000
        patience = self._patience
        limit = patience.stopping if self._is_stopping else patience.busy
        computed = _seconds_computed(self._child) - self._computed
        is_idle = self._quiet > patience.idle and computed < _IDLE * self._quiet
        if self.is_running and (self._quiet > limit or is_idle):
            self._is_hung = True
            self.kill()

    def _on_about_to_quit(self) -> None:
        """There is no event loop any more: wait a little, then let the child go."""
        with suppress(RuntimeError):  # Qt may have deleted the child before
            if not self.is_running:
                return
            self.abandon()
            if not self._child.waitForFinished(round(1000 * self._patience.quitting)):
                self._child.forget()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        atexit.unregister(self._on_about_to_quit)
        self._watch_timer.stop()
        self._thinner.flush()
        if self._folder is not None:
            self._folder.clear_owner()
        _leaving.discard(self)
        self.ended.emit(*self._outcome())

    def _outcome(self) -> tuple[str, str]:
        """Give the outcome and one sentence."""
        words, code = self._last_words, self._child.exitCode()
        if self._is_hung:
            said = f"said nothing for {self._quiet:.0f} s and was ended"
            return "hung", self._with_advice(f"The training process {said}")
        if self._is_killed:
            return "stopped", self._with_advice("Training was ended at once")
        if words.get("event") == "failed":
            return "failed", str(words.get("error") or "Training failed.")
        if words.get("event") == "done" and code == 0:
            reason = str(words.get("reason"))
            return ("stopped" if reason == "stopped" else "done"), _END[
                reason if reason in _END else "finished"
            ]
        return "crashed", self._with_advice(self._crash(code))

    def _crash(self, code: int) -> str:
        if self._child.error() == QProcess.ProcessError.FailedToStart:
            why = self._child.errorString()
            return f"The training process could not be started ({why})"
        last_line = self._folder.last_log_line() if self._folder is not None else ""
        if self._child.exitStatus() == QProcess.ExitStatus.NormalExit:
            return f"The training process ended with code {code} ({last_line})"
        name = next((s.name for s in signal.Signals if s == code), str(code))
        hint = ", often for want of memory" if name == "SIGKILL" else ""
        return f"The training process crashed ({name}{hint})"

    def _with_advice(self, clause: str) -> str:
        if self._folder is not None and self._folder.has_checkpoint:
            return f"{clause}: Resume continues from its last checkpoint."
        return f"{clause}, before its first checkpoint: start again."


class _Child(QProcess):
    """A QProcess that can be left alone: Qt would kill the child with its object."""

    def forget(self) -> None:
        self.setProcessState(QProcess.ProcessState.NotRunning)


_END = {
    "finished": "Training is finished.",
    "stopped": "Training was stopped; what it learnt until then is there.",
    "patience": "Training ended early: validation did not get better any more.",
}


def is_leaving(folder: Path) -> bool:
    """Whether a child that was abandoned still writes its checkpoint into `folder`."""
    return any(p._folder == RunFolder(folder) for p in _leaving)


def _environment() -> QProcessEnvironment:
    """Give the viewer's environment, with what makes a Python child legible."""
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONUTF8", "1")
    environment.insert("PYTHONFAULTHANDLER", "1")  # a crash leaves its stack in the log
    return environment


def _seconds_computed(child: QProcess) -> float:
    """Give the processor time of a child so far [s]; 0 if it is gone."""
    try:
        times: Any = psutil.Process(int(child.processId())).cpu_times()
    except (psutil.Error, ValueError):
        return 0.0
    return float(times.user + times.system)
