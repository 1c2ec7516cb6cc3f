"""Work: at most one worker, whose answer is the one that was asked for last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._worker import Slots, Steps, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker


class Work(QObject):
    """Runs one core generator at a time; starting another abandons the first.

    It belongs to no widget, so that `abandon` can be called when one is destroyed.

    Attributes
    ----------
    progressed, done : Signal(object)
        What the generator yields and returns.
    failed : Signal(str)
        One sentence.
    """

    progressed = Signal(object)
    done = Signal(object)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._worker: GeneratorWorker | None = None

    @property
    def is_busy(self) -> bool:
        return self._worker is not None

    def start(self, steps: Steps, *args: Any) -> None:
        """Run ``steps(*args)`` in a thread; `args` are plain data, never layers."""
        self.abandon()
        slots: Slots = {
            "yielded": self.progressed.emit,
            "returned": self._on_returned,
            "errored": self._on_errored,
        }
        self._worker = start_worker(steps, *args, slots=slots)

    def abandon(self, *_: Any) -> None:
        """Let what runs end unheard; again, it changes nothing."""
        worker, self._worker = self._worker, None
        let_go(worker)

    def _on_returned(self, result: Any) -> None:
        self._worker = None
        self.done.emit(result)

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.failed.emit(tell_error(error))
