"""Window and level of images: by dragging on the canvas, by presets, with undo."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_medsynth.io import Volume
from napari_medsynth.io.hooks import contrast_limits

from ._layers import layer_modality
from ._roles import Role, facts

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

Limits = tuple[float, float]

_WIDER = 150.0  # pixels to the right that double the window
_BRIGHTER = 300.0  # pixels upwards that move the level by one window
_STEPS = 50  # to undo
_SAMPLED = 100  # voxels along an axis that automatic limits are estimated from
_RIGHT, _LEFT = 2, 1  # mouse buttons as napari counts them


class Gesture(StrEnum):
    """What drags the window."""

    RIGHT = "right"
    CTRL = "ctrl"
    OFF = "off"


class WindowLevel(QObject):
    """Sets the contrast limits of images, and takes each change back on demand.

    Dragging to the right widens the window (less contrast), dragging up makes the image
    brighter (lowers the level), as in DICOM viewers. The canvas does not move
    meanwhile. With the right button this replaces napari's zoom by dragging; the wheel
    still zooms. Limits of layers that napari has linked follow.

    Parameters
    ----------
    viewer : ViewerModel
        A viewer, its proxy, or the model of a further view.

    Attributes
    ----------
    gesture : Gesture
    changed : Signal
        After every change that can be undone, and every undo.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        # without napari's proxy: slow, and its layers are not the same objects twice
        self._viewer: ViewerModel = getattr(viewer, "__wrapped__", viewer)
        self.gesture = Gesture.RIGHT
        self._steps: deque[dict[Layer, Limits]] = deque(maxlen=_STEPS)
        self._opened: WeakKeyDictionary[Layer, Limits] = WeakKeyDictionary()
        self._last: Layer | None = None
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self._viewer.mouse_drag_callbacks.append(self._on_drag)

    @property
    def can_undo(self) -> bool:
        return bool(self._steps)

    def can_reset(self, layer: Layer | None) -> bool:
        """Tell whether `layer` looks other than before the first change made here."""
        if layer is None or layer not in self._opened:
            return False
        return _pair(layer.contrast_limits) != self._opened[layer]

    def target(self, cell: tuple[int, int] | None = None) -> Image | None:
        """Give the image to work on: the active one, else the topmost that is visible.

        Once an image was dragged on, it is the one until another layer is activated.

        Parameters
        ----------
        cell : tuple of int, optional
            Row and column of a cell of the grid, whose images count alone.
        """
        layers = list(self._viewer.layers)
        if cell is not None and self._viewer.canvas.grid.enabled:
            inside = self._viewer.canvas.grid.contents_at(cell, self._viewer.layers)
            layers = [layers[number] for number in inside]
        images = [a for a in layers if isinstance(a, Image) and a.visible and not a.rgb]
        for likely in (self._last, self._viewer.layers.selection.active):
            if likely is not None and likely in images:
                return likely
        return images[-1] if images else None

    def set_limits(self, layer: Image, limits: Limits) -> None:
        """Set black and white of `layer` as one step to undo."""
        before = self._limits()
        self._set(layer, limits)
        self._keep(before)

    def reset(self, layer: Image) -> None:
        """Show `layer` as it was before the first change made here."""
        if layer in self._opened:
            self.set_limits(layer, self._opened[layer])

    def undo(self) -> None:
        """Take the last change back, of all layers that it changed."""
        if not self._steps:
            return
        for layer, limits in self._steps.pop().items():
            if layer in self._viewer.layers:
                self._set(layer, limits)
        self.changed.emit()

    def close(self, *_: Any) -> None:
        """Take no more drags; again, it changes nothing."""
        if self._on_drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_drag)
            self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._steps.clear()
        self._last = None

    def _on_drag(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        layer = self.target(event.viewbox) if self._is_asked(event) else None
        if layer is None:
            return
        self._last = layer
        before, (x, y) = self._limits(), event.pos
        start, is_centred = before[layer], facts(layer).get("role") == Role.DIFFERENCE
        camera = viewer.scene.camera
        could_pan, camera.mouse_pan = camera.mouse_pan, False  # also stops the zoom
        try:
            yield
            while event.type == "mouse_move":
                right, up = float(event.pos[0] - x), float(y - event.pos[1])
                limits = dragged(start, right, 0.0 if is_centred else up)
                self._set(layer, limits)
                yield
        finally:
            camera.mouse_pan = could_pan
            self._keep(before)

    def _on_active(self, event: Any = None) -> None:
        self._last = None

    def _is_asked(self, event: Any) -> bool:
        active = self._viewer.layers.selection.active
        if active is not None and active.mode != "pan_zoom":
            return False  # drawing
        modifiers = {str(getattr(key, "name", key)) for key in event.modifiers}
        if self.gesture is Gesture.RIGHT:
            return event.button == _RIGHT and not modifiers
        wanted = self.gesture is Gesture.CTRL
        return wanted and event.button == _LEFT and modifiers == {"Control"}

    def _limits(self) -> dict[Layer, Limits]:
        images = (a for a in self._viewer.layers if isinstance(a, Image) and not a.rgb)
        return {image: _pair(image.contrast_limits) for image in images}

    def _set(self, layer: Layer, limits: Limits) -> None:
        self._opened.setdefault(layer, _pair(layer.contrast_limits))
        layer.contrast_limits = limits

    def _keep(self, before: Mapping[Layer, Limits]) -> None:
        now = self._limits()
        step = {a: old for a, old in before.items() if a in now and now[a] != old}
        if step:
            self._steps.append(step)
            self.changed.emit()


def dragged(limits: Limits, right: float, up: float) -> Limits:
    """Give the limits after dragging from `limits`.

    Parameters
    ----------
    right, up : float
        Distance from where the button was pressed [canvas pixel].
    """
    width = limits[1] - limits[0]
    level = (limits[0] + limits[1]) / 2 - width * up / _BRIGHTER
    return around(level, width * 2 ** (right / _WIDER))


def around(level: float, width: float) -> Limits:
    """Give the limits of a window: its level is the middle."""
    least = max(4 * float(np.spacing(np.float32(abs(level)))), 1e-6)
    half = max(width, least) / 2
    return float(level - half), float(level + half)


def level_and_width(limits: Limits) -> tuple[float, float]:
    """Give the middle and the width of limits."""
    return (limits[0] + limits[1]) / 2, limits[1] - limits[0]


def automatic(layer: Image, *, axis: int | None = None, index: int = 0) -> Limits:
    """Give limits by percentiles, as `io.hooks.contrast_limits` chooses them.

    Parameters
    ----------
    axis, index : int
        Of one slice of the data; the whole image without an axis. Of a large image a
        regular part of the voxels is looked at.
    """
    data = layer.data[-1] if layer.multiscale else layer.data
    if axis is not None and not layer.multiscale:
        data = data[(slice(None),) * axis + (min(max(index, 0), data.shape[axis] - 1),)]
    every = tuple(slice(None, None, max(1, n // _SAMPLED)) for n in data.shape)
    sample = np.asarray(data[every], dtype=np.float32)
    modality = "" if facts(layer).get("role") else layer_modality(layer)
    low, high = contrast_limits(Volume(sample.reshape(1, 1, 1, -1), modality=modality))
    if facts(layer).get("role") == Role.DIFFERENCE:
        high = max(abs(low), abs(high))
        low = -high
    return low, high


def _pair(limits: Any) -> Limits:
    return float(limits[0]), float(limits[1])
