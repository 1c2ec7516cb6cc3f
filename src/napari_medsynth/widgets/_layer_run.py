"""LayerRun: a generator in a worker that fills layers, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from io import StringIO
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer, Signal

from ._turns import Turns
from ._worker import Slots, Steps, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.engine import Progress

    from ._growing import GrowingLayer

_ACTIVITY_EVERY = 250  # ms


class LayerRun(QObject):
    """Runs ``steps(request)`` in a worker; subclasses make layers of what it yields.

    They fill `growing`, and say in `_outcome` what came of it.

    Signals: `progressed` with a Progress; `ended` once, last, with a sentence.

    Parameters
    ----------
    viewer : Viewer
    steps : callable
        Gives a generator that yields Progress.
    request : object
        Plain data for `steps`.
    title : str
        What napari's activity dock calls it.
    """

    progressed = Signal(object)
    ended = Signal(str)

    def __init__(
        self,
        viewer: Viewer,
        steps: Steps,
        request: Any,
        title: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._steps = steps
        self._plan = request
        self._title = title
        self._worker: GeneratorWorker | None = None
        self._activity: progress | None = None
        self.growing: dict[str, GrowingLayer] = {}
        self._outcome = ""
        self._started = 0.0
        self._n_done = 0
        self.is_cancelled = False
        self._turns = Turns(self)
        self._activity_timer = QTimer(self)
        self._activity_timer.setInterval(_ACTIVITY_EVERY)
        self._activity_timer.timeout.connect(self._on_activity_due)

    def begin(self, total: int, before: Iterable[Callable[[], None]] = ()) -> None:
        """Do what comes `before`, one per turn of the event loop; start the worker.

        `total` is the number of slices, as far as it is known.
        """
        self._started = perf_counter()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        open_activity = partial(self._open_activity, total)
        self._turns.add([open_activity, *before, self._start_worker])

    def cancel(self) -> None:
        """Stop after the batch that is being computed; what is done stays."""
        self.is_cancelled = True
        if self._worker is not None:
            self._worker.quit()

    def abandon(self) -> None:
        """Stop, and touch neither viewer nor widgets again: they are going away."""
        self._turns.stop()
        self.cancel()
        let_go(self._worker)
        self._worker = None
        self._close()

    def _on_yielded(self, step: Progress) -> None:
        self._n_done = step.done
        self.progressed.emit(step)

    def _on_returned(self, result: Any) -> None:
        self._outcome = f"Done in {self._seconds():.1f} s."

    def _seconds(self) -> float:
        return perf_counter() - self._started

    def _open_activity(self, total: int) -> None:
        self._activity = progress(
            total=total,
            desc=self._title,
            file=StringIO(),  # napari's activity dock shows it, the terminal need not
        )
        self._activity_timer.start()

    def _start_worker(self) -> None:
        if self.is_cancelled:
            self._on_finished()
            return
        slots: Slots = {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        self._worker = start_worker(self._steps, self._plan, slots=slots)

    def _on_activity_due(self) -> None:
        # napari's bar processes events whenever it is set, so that anything may happen
        # in here, also the end of this run: never set it while handling a result
        if self._activity is not None:
            self._activity_timer.stop()
            self._activity.update(self._n_done - self._activity.n)
        if self._activity is not None:
            self._activity_timer.start()

    def _on_errored(self, error: Exception) -> None:
        self._outcome = tell_error(error)

    def _on_finished(self) -> None:
        self._worker = None
        self._turns.add([self._end])

    def _end(self) -> None:
        self._close()
        if not self._outcome:
            self._outcome = "Cancelled; what was done stays."
        if self._n_done == 0:
            for growing in self.growing.values():
                growing.remove()
        self.ended.emit(self._outcome)

    def _close(self) -> None:
        self._activity_timer.stop()
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        activity, self._activity = self._activity, None
        if activity is not None:
            activity.close()

    def _on_layer_removed(self, event: Any) -> None:
        """Someone removed every result: nobody waits for the rest."""
        is_running = self._worker is not None and not self._outcome
        has_any = any(growing.is_in_viewer for growing in self.growing.values())
        if is_running and self.growing and not has_any:
            self.cancel()
