"""Runners of the Attention dock: the newest job wins; all slices, with Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from ._attention_jobs import Job, Picture, draw, draw_all
from ._session import Session
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker


class NewestWins(QObject):
    """Runs one job at a time; a new one stops what runs at the next map.

    Signals: `told` with what `draw` yields, never of a job that was stopped; `failed`
    with a sentence; `idle` when a job is done.
    """

    told = Signal(object)
    failed = Signal(str)
    idle = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._next: Job | None = None
        self._worker: GeneratorWorker | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._worker is not None

    def ask(self, job: Job) -> None:
        """Run `job` as soon as possible."""
        self._next = job
        if self._worker is None:
            self._start()
        else:
            self._worker.quit()

    def stop(self) -> None:
        """Tell nothing more of what runs."""
        self._next = None
        if self._worker is not None:
            self._worker.quit()

    def abandon(self) -> None:
        """Stop for good; nobody listens any more."""
        self._next = None
        let_go(self._worker)
        self._worker = None

    def _start(self) -> None:
        job, self._next = self._next, None
        if job is None:
            return
        slots: Slots = {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        self._worker = start_worker(draw, self._session, job, slots=slots)

    def _on_yielded(self, told: object) -> None:
        is_stopped = self._worker is not None and self._worker.abort_requested
        if told is not None and not is_stopped:
            self.told.emit(told)

    def _on_returned(self, nothing: None) -> None:
        self.idle.emit()

    def _on_errored(self, error: Exception) -> None:
        self.failed.emit(tell_error(error))

    def _on_finished(self) -> None:
        self._worker = None
        self._start()


class AllSlices(QObject):
    """Makes the maps of all slices.

    Signals: `progressed` with how many of how many are done; `made` with a list of
    `Picture`; `ended` once, last, with a sentence.
    """

    progressed = Signal(int, int)
    made = Signal(object)
    ended = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._worker: GeneratorWorker | None = None
        self._outcome = ""

    @property
    def is_running(self) -> bool:
        """Whether slices are being made."""
        return self._worker is not None

    def start(self, job: Job) -> None:
        """Begin, unless it runs."""
        if self.is_running:
            return
        self._outcome = "Cancelled."
        slots: Slots = {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        self._worker = start_worker(draw_all, self._session, job, slots=slots)

    def cancel(self) -> None:
        """Stop after the slice that is being computed."""
        if self._worker is not None:
            self._worker.quit()

    def abandon(self) -> None:
        """Stop for good; nobody listens any more."""
        let_go(self._worker)
        self._worker = None

    def _on_yielded(self, step: tuple[int, int]) -> None:
        self.progressed.emit(*step)

    def _on_returned(self, pictures: list[Picture]) -> None:
        if self._worker is not None and self._worker.abort_requested:
            return  # it was done before it heard of it: cancelled is cancelled
        self._outcome = "Made the maps of all slices; they stay as layers."
        self.made.emit(pictures)

    def _on_errored(self, error: Exception) -> None:
        self._outcome = tell_error(error)

    def _on_finished(self) -> None:
        self._worker = None
        self.ended.emit(self._outcome)
