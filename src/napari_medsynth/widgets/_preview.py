"""LivePreview: the slice on the screen, synthesised as soon as it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from ._growing import GrowingLayer
from ._request import Request, preview_request
from ._turns import stop
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.engine import Progress

DEBOUNCE = 150  # ms


class LivePreview(QObject):
    """Follows the slider; at most one slice is computed at a time, the newest wins.

    Slices stay once they are made, until the model, the sources or the plane change.

    Parameters
    ----------
    viewer : Viewer
        Gets layers named "FLAIR (preview)".
    get_request : callable
        Gives the request of the whole volume, or None if none is possible now.
    """

    said = Signal(str)

    def __init__(
        self,
        viewer: Viewer,
        get_request: Callable[[], Request | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._get_request = get_request
        self._request: Request | None = None  # of the whole volume
        self._layers: dict[str, GrowingLayer] = {}
        self._done: set[int] = set()
        self._worker: GeneratorWorker | None = None
        self._running: tuple[Request | None, int] = (None, -1)
        self.is_on = False
        self._is_visible = True
        self._is_held = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timeout)
        viewer.dims.events.current_step.connect(self._on_slider)

    def set_on(self, is_on: bool) -> None:
        """Switch on or off; off takes the preview layers away."""
        self.is_on = is_on
        self.reset()
        self._ask(0)

    def set_visible(self, is_visible: bool) -> None:
        """Wait while the dock is hidden; what was made stays."""
        self._is_visible = is_visible
        self._ask()

    def hold(self) -> None:
        """Make way for a run of the whole volume, until the next `reset`."""
        self._clear()
        self._is_held = True

    def reset(self) -> None:
        """Forget all slices: another model, source, target or plane was chosen."""
        self._clear()
        self._is_held = False
        self._ask()

    def abandon(self) -> None:
        """Stop for good, without touching the viewer: it is going away."""
        self.is_on = False
        stop(self._timer)
        self._viewer.dims.events.current_step.disconnect(self._on_slider)
        let_go(self._worker)
        self._worker = None

    def _clear(self) -> None:
        self._request = None
        self._done = set()
        layers, self._layers = self._layers, {}
        for growing in layers.values():
            growing.remove()
            growing.deleteLater()

    def _is_wanted(self) -> bool:
        return self.is_on and self._is_visible and not self._is_held

    def _ask(self, delay: int = DEBOUNCE) -> None:
        if self._is_wanted():
            self._timer.start(delay)  # again: from zero

    def _on_slider(self, event: Any = None) -> None:
        self._ask()

    def _on_timeout(self) -> None:
        if not self._is_wanted() or self._worker is not None:
            return  # a running slice asks again when it is done
        if self._request is None:
            self._request = self._get_request()
        if self._request is None:
            return
        index = self._request.index_of(self._viewer.dims.point)
        if index in self._done:
            return
        self._running = (self._request, index)
        slots: Slots = {
            "yielded": self._on_yielded,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        one_slice = self._request.of_slices(index)
        self._worker = start_worker(preview_request, one_slice, slots=slots)

    def _on_yielded(self, step: Progress) -> None:
        request = self._running[0]
        if request is None or request is not self._request or not self.is_on:
            return  # made for a choice that is gone
        for modality, images in step.partial.items():
            self._layer_of(request, modality).fill(step.slices, images)
            self._done.update(step.slices)

    def _on_errored(self, error: Exception) -> None:
        request, index = self._running
        if request is self._request:
            self._done.add(index)  # the same slice would fail again
        self.said.emit(f"Live preview: {tell_error(error)}")

    def _on_finished(self) -> None:
        self._worker = None
        self._ask()

    def _layer_of(self, request: Request, modality: str) -> GrowingLayer:
        """Give the preview layer, a new one if there is none or it was removed."""
        growing = self._layers.get(modality)
        if growing is None or not growing.is_in_viewer:
            self._done = set()
            growing = GrowingLayer(
                self._viewer,
                request,
                modality,
                f"{modality} (preview)",
                role="preview",
                parent=self,
            )
            self._layers[modality] = growing
        return growing
