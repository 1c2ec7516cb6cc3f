"""QueryMouse: Shift+click and Shift+drag on the canvas."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer

Path = list[tuple[float, ...]]


class QueryMouse:
    """Calls back with what Shift and the left button have drawn, until closed.

    It is no QObject, so that it can be closed when the dock's own parts are gone.

    Parameters
    ----------
    viewer : Viewer
    is_wanted : callable
        Asked at every press.
    on_drawing, on_drawn : callable
        Called with the path so far, world positions, while it grows and at its end.
    """

    def __init__(
        self,
        viewer: Viewer,
        is_wanted: Callable[[], bool],
        on_drawing: Callable[[Path], None],
        on_drawn: Callable[[Path], None],
    ) -> None:
        self._viewer = viewer
        self._is_wanted = is_wanted
        self._on_drawing = on_drawing
        self._on_drawn = on_drawn
        viewer.mouse_drag_callbacks.append(self._on_drag)

    def close(self) -> None:
        """Listen no longer; again, it does nothing."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_drag in callbacks:
            callbacks.remove(self._on_drag)

    def _on_drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        if not self._is_ours(event):
            return
        camera = self._viewer.scene.camera
        could_pan, camera.mouse_pan = camera.mouse_pan, False
        path: Path = [tuple(event.position)]
        try:
            yield
            while event.type == "mouse_move":
                path.append(tuple(event.position))
                self._on_drawing(path)
                yield
        finally:
            camera.mouse_pan = could_pan
        self._on_drawn(path)

    def _is_ours(self, event: Any) -> bool:
        active = self._viewer.layers.selection.active
        mode = "pan_zoom" if active is None else str(active.mode)
        return (
            event.button == 1
            and set(event.modifiers) == {"Shift"}
            and len(event.dims_displayed) == 2
            and mode == "pan_zoom"  # else Shift belongs to drawing in a layer
            and self._is_wanted()
        )
