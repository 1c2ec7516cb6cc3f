"""SynthesisRun: one synthesis, from its request to its layers."""

from __future__ import annotations

from functools import partial
from io import StringIO
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_medsynth.io.geometry import layer_metadata

from ._growing import GrowingLayer
from ._layers import over, unique_name
from ._request import Request, run_request
from ._turns import Turns
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.qt.threading import GeneratorWorker
    from numpy.typing import NDArray

    from napari_medsynth.engine import Progress, Result
    from napari_medsynth.io import Volume

_ACTIVITY_EVERY = 250  # ms


class SynthesisRun(QObject):
    """Runs a `Request` in a worker and fills one new layer per target as it goes.

    Signals: `progressed` with a Progress; `ended` once, last, with a sentence.
    """

    progressed = Signal(object)
    ended = Signal(str)

    def __init__(
        self, viewer: Viewer, request: Request, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._request = request
        self._worker: GeneratorWorker | None = None
        self._activity: progress | None = None
        self._growing: dict[str, GrowingLayer] = {}
        self._outcome = ""
        self._started = 0.0
        self._n_done = 0
        self.is_cancelled = False
        self._turns = Turns(self)
        self._activity_timer = QTimer(self)
        self._activity_timer.setInterval(_ACTIVITY_EVERY)
        self._activity_timer.timeout.connect(self._on_activity_due)

    @property
    def is_whole(self) -> bool:
        """Whether every slice of the volume was made."""
        return self._n_done == self._request.reference.shape[self._request.axis]

    def start(self) -> None:
        """Add the layers, one per turn of the event loop, and then start the worker."""
        self._started = perf_counter()
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        layers = [partial(self._add_growing, m) for m in self._request.targets]
        self._turns.add([self._open_activity, *layers, self._start_worker])

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

    def _open_activity(self) -> None:
        targets = ", ".join(self._request.targets)
        self._activity = progress(
            total=self._request.n_slices,
            desc=f"Synthesising {targets}",
            file=StringIO(),  # napari's activity dock shows it, the terminal need not
        )
        self._activity_timer.start()

    def _add_growing(self, modality: str) -> None:
        name = f"{modality} (synthetic: {self._request.card.title})"
        growing = GrowingLayer(self._viewer, self._request, modality, name, parent=self)
        self._growing[modality] = growing

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
        self._worker = start_worker(run_request, self._request, slots=slots)

    def _on_yielded(self, step: Progress) -> None:
        for modality, images in step.partial.items():
            self._growing[modality].fill(step.slices, images)
        self._n_done = step.done
        self.progressed.emit(step)

    def _on_returned(self, result: Result) -> None:
        for modality, volume in result.volumes.items():
            if modality in self._growing:
                metadata = layer_metadata(volume)
                self._growing[modality].finish(volume.data[0], metadata)
        self._turns.add(
            partial(self._add_attention, name, volume, is_visible=number == 0)
            for number, (name, volume) in enumerate(result.attention.items())
        )
        made = ", ".join(self._growing)
        self._outcome = f"Made {made} in {perf_counter() - self._started:.1f} s."

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
            for growing in self._growing.values():
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
        if is_running and not any(g.is_in_viewer for g in self._growing.values()):
            self.cancel()

    def _add_attention(self, name: str, volume: Volume, *, is_visible: bool) -> None:
        """Lay an attention map over the anatomy, coarse as it is."""
        request = self._request
        metadata = {**layer_metadata(volume), "modality": "", "role": "attention"}
        self._viewer.add_image(
            volume.data[0],
            name=unique_name(self._viewer, f"attention {name} ({request.card.title})"),
            metadata={"medsynth": metadata},
            visible=is_visible,
            colormap="inferno",
            blending="additive",
            opacity=0.6,
            contrast_limits=_limits_of(volume.data[0]),
            interpolation2d="linear",
            **over(volume, request.reference, request.place),
        )


def _limits_of(maps: NDArray[np.float32]) -> tuple[float, float]:
    """Leave the less attended half black, so that the anatomy shows through."""
    seen = maps[maps > 0]
    if not seen.size:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(seen, [50, 99.5]))
    return low, max(high, low + 1e-6)
