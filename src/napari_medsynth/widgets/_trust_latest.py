"""Latest: at most one worker; a newer question waits until the older has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._worker import Slots, Steps, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker


class Latest(QObject):
    """Runs core generators one after the other, never two at once.

    Unlike `Work` it does not start beside what is still ending: two networks at once
    take each other's cores, and a slider asks often. It belongs to no widget.

    Attributes
    ----------
    done : Signal(object)
        What a generator returned, also if it was asked to stop too late.
    failed : Signal(str)
        One sentence.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._next: tuple[Steps, tuple[Any, ...]] | None = None
        self._worker: GeneratorWorker | None = None

    @property
    def is_busy(self) -> bool:
        return self._worker is not None

    def ask(self, steps: Steps, *args: Any) -> None:
        """Run ``steps(*args)`` as soon as what runs has stopped; the newest wins."""
        self._next = (steps, args)
        if self._worker is None:
            self._start()
        else:
            self._worker.quit()

    def stop(self) -> None:
        """Stop what runs at its next step, and forget what waits."""
        self._next = None
        if self._worker is not None:
            self._worker.quit()

    def abandon(self, *_: Any) -> None:
        """Stop, and tell nobody; again, it changes nothing."""
        self._next = None
        worker, self._worker = self._worker, None
        let_go(worker)

    def _start(self) -> None:
        asked, self._next = self._next, None
        if asked is None:
            return
        slots: Slots = {
            "returned": self.done.emit,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        steps, args = asked
        self._worker = start_worker(steps, *args, slots=slots)

    def _on_errored(self, error: Exception) -> None:
        self.failed.emit(tell_error(error))

    def _on_finished(self) -> None:
        self._worker = None
        self._start()
