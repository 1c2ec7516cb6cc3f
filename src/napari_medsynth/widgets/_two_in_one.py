"""TwoInOne: two layers in one picture: swipe, flicker, checkerboard."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, QTimer, Signal

from ._composite import Checkerboard, Composite, Curtain, Pattern, Whole
from ._layers import like, unique_name, volume_later
from ._notice import is_synthetic
from ._pair import load_pair, window_of
from ._roles import facts
from ._side_captions import SideCaptions
from ._turns import single_shot
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.io import Volume

    from ._stage import Stage

_GRASP = 12  # pixels from the divider that count as on it
_WINDOW = ("contrast_limits", "gamma", "colormap")


class Mode(StrEnum):
    """How two images share one picture."""

    SWIPE = "swipe"
    FLICKER = "flicker"
    CHECKERBOARD = "checkerboard"


@dataclass(frozen=True)
class Look:
    """What the modes can be told.

    Parameters
    ----------
    mode : Mode
    position : float
        Of the curtain, 0 (left) to 1 (right).
    speed : float
        Changes of a flicker per second; 0 for by hand.
    square : float
        Side of the squares of a checkerboard [mm].
    """

    mode: Mode = Mode.SWIPE
    position: float = 0.5
    speed: float = 1.0
    square: float = 20.0


class TwoInOne(QObject):
    """A layer in which two layers of the viewer share the picture.

    It is painted from the slices that are shown, each image in its layer's own window
    and colours, on the grid of the first; it follows these when they are changed.

    Signals: `moved` with the position of a dragged curtain, `said` with a sentence,
    `ended` when someone has removed a layer or opened the 3D view.
    """

    moved = Signal(float)
    said = Signal(str)
    started = Signal()
    ended = Signal()

    def __init__(
        self, viewer: ViewerModel, stage: Stage, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._stage = viewer, stage
        self.look = Look()
        self.layer: Image | None = None
        self._sources: tuple[Image, ...] = ()
        self._is_second = False
        self._worker: GeneratorWorker | None = None
        self._captions = SideCaptions(viewer)
        self._draw_timer = single_shot(self, 0, self._draw)
        self._flicker_timer = QTimer(self)
        self._flicker_timer.timeout.connect(self.flip)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.dims.events.order.connect(self._on_dims)
        viewer.dims.events.ndisplay.connect(self._on_dims)

    @property
    def is_on(self) -> bool:
        """Whether two layers are being shown, or about to be."""
        return bool(self._sources)

    def start(self, first: Image, second: Image, look: Look) -> None:
        """Show `first` and `second` in one picture, once they are on one grid."""
        self.look = look
        if self.layer is not None and self._sources == (first, second):
            self._show()
            return
        self._clear()
        if self._viewer.dims.ndisplay == 3:
            self._viewer.dims.ndisplay = 2
        self._sources = (first, second)
        for layer in self._sources:
            for name in _WINDOW:
                getattr(layer.events, name).connect(self._on_window)
        slots: Slots = {
            "returned": self._on_loaded,
            "errored": self._on_errored,
        }
        loaders = [volume_later(layer) for layer in self._sources]
        self._worker = start_worker(load_pair, *loaders, slots=slots)

    def set_look(self, look: Look) -> None:
        """Change mode, position, speed or size of what is shown."""
        self.look = look
        self._show()

    def move_to(self, position: float) -> None:
        """Put the curtain at `position`, 0 (left) to 1 (right)."""
        position = min(max(position, 0.0), 1.0)
        self.set_look(replace(self.look, position=position))
        self.moved.emit(position)

    def flip(self) -> None:
        """Show the other of the two images."""
        self._is_second = not self._is_second
        self._show()

    def stop(self) -> None:
        """Take the picture away."""
        self._clear()

    def abandon(self) -> None:
        """Stop listening to the viewer, for good, and leave its layers alone."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._viewer.dims.events.order.disconnect(self._on_dims)
        self._viewer.dims.events.ndisplay.disconnect(self._on_dims)
        if self._on_drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_drag)
        self._let_go()

    def _clear(self) -> None:
        self._let_go()
        self._captions.hide()
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _let_go(self) -> None:
        """Stop timers and worker, and follow the two layers no longer."""
        for layer in self._sources:
            for name in _WINDOW:
                getattr(layer.events, name).disconnect(self._on_window)
        self._sources = ()
        self._flicker_timer.stop()
        self._draw_timer.stop()
        let_go(self._worker)
        self._worker = None

    def _on_loaded(self, loaded: tuple[Volume, Volume]) -> None:
        self._worker = None
        first, second = self._sources
        one, other = (volume.data[0] for volume in loaded)
        windows = [window_of(layer) for layer in self._sources]
        composite = Composite(one, other, windows, self._pattern(one.shape))
        is_made = any(map(is_synthetic, self._sources))
        known = {**facts(first), "role": "preview", "synthetic": is_made}
        self._stage.hold()
        self.layer = self._viewer.add_image(
            composite,
            rgb=True,
            multiscale=False,
            contrast_limits=(0, 255),
            name=unique_name(self._viewer, f"{first.name} | {second.name}"),
            metadata={"medsynth": known},
            **like(first),
        )
        self._put_under_labels(self.layer)
        self._stage.leave_only(self.layer)
        self._show()
        self.started.emit()

    def _put_under_labels(self, layer: Image) -> None:
        """Move the picture under all labels, so that masks stay visible."""
        layers = self._viewer.layers
        masks = [i for i, x in enumerate(layers) if isinstance(x, Labels)]
        if masks:
            layers.move(layers.index(layer), min(masks))

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.said.emit(tell_error(error))
        self._clear()
        self.ended.emit()

    def _show(self) -> None:
        """Have the picture painted in the next turn of the event loop."""
        is_flickering = self.is_on and self.look.mode is Mode.FLICKER
        self._captions.show(self.look.mode, self._sources, is_second=self._is_second)
        if not is_flickering or not self.look.speed:
            self._flicker_timer.stop()
        else:
            interval = round(1000 / self.look.speed)
            if not self._flicker_timer.isActive():
                self._flicker_timer.start(interval)
            elif self._flicker_timer.interval() != interval:
                self._flicker_timer.setInterval(interval)
        self._draw_timer.start()

    def _draw(self) -> None:
        if self.layer is None:
            return
        composite: Composite = self.layer.data
        composite.pattern = self._pattern(composite.shape[:3])
        self.layer.refresh(extent=False, thumbnail=False)

    def _pattern(self, shape: tuple[int, ...]) -> Pattern:
        look = self.look
        if look.mode is Mode.FLICKER:
            return Whole(self._is_second)
        if look.mode is Mode.SWIPE:
            axis = self._axis()
            return Curtain(axis, look.position * shape[axis] - 0.5)
        z, y, x = (look.square / step for step in self._scale())
        return Checkerboard((z, y, x))

    def _scale(self) -> tuple[float, ...]:
        """Voxel size [world units] of the picture."""
        return tuple(like(self._sources[0])["scale"])

    def _axis(self) -> int:
        """Array axis that runs from left to right on the canvas."""
        dims = self._viewer.dims
        return max(dims.displayed[-1] - (dims.ndim - 3), 0)

    def _on_window(self, event: Any = None) -> None:
        if self.layer is not None:
            self.layer.data.windows = [window_of(layer) for layer in self._sources]
            self._draw_timer.start()

    def _on_dims(self, event: Any = None) -> None:
        if self._viewer.dims.ndisplay == 3 and self.is_on:
            self._end()
        elif self.layer is not None:
            self._draw_timer.start()

    def _on_layer_removed(self, event: Any) -> None:
        gone: Layer = event.value
        if gone == self.layer or gone in self._sources:
            self._end()

    def _end(self) -> None:
        self._clear()
        self.ended.emit()

    def _on_drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Drag the curtain with the left button, if it is grasped."""
        is_plain = event.button == 1 and not event.modifiers
        if self.layer is None or self.look.mode is not Mode.SWIPE or not is_plain:
            return
        axis, n = self._axis(), self.layer.data.shape[self._axis()]
        place = self.layer.world_to_data(event.position)[axis]
        missed = abs(place + 0.5 - self.look.position * n) * self._scale()[axis]
        camera = self._viewer.scene.camera
        if missed * camera.zoom > _GRASP:
            return
        could_pan, camera.mouse_pan = camera.mouse_pan, False
        yield
        while event.type == "mouse_move":
            place = self.layer.world_to_data(event.position)[axis]
            self.move_to(float(np.clip((place + 0.5) / n, 0, 1)))
            yield
        camera.mouse_pan = could_pan
