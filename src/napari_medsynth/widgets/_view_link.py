"""ViewLink: several viewers at the same place of the world, zoomed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from ._side_by_side import zoom_without_grid

if TYPE_CHECKING:
    from napari.components import ViewerModel

PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))  # axial, coronal, sagittal: order of axes


class ViewLink(QObject):
    """Keeps position and zoom of `viewers` the same, whichever is moved.

    A click moves all to the point that was clicked.
    Where two views show the same axis, they look at the same place along it.

    Parameters
    ----------
    viewers : sequence of ViewerModel
        3D ones, each with its image as large as it should be now. The first leads: the
        others start where it is.
    """

    def __init__(
        self, viewers: Sequence[ViewerModel], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewers = list(viewers)
        self._zooms = {id(v): zoom_without_grid(v) for v in viewers}
        self._is_setting = False
        self.is_paused = False
        for viewer in self._viewers:
            viewer.dims.events.point.connect(self._on_point)
            viewer.scene.camera.events.zoom.connect(self._on_camera)
            viewer.scene.camera.events.center.connect(self._on_camera)
            viewer.mouse_drag_callbacks.append(self._on_press)
        self.follow(self._viewers[0])

    def follow(self, leader: ViewerModel) -> None:
        """Bring all other viewers to where `leader` is."""
        self._share_point(leader)
        self._share_camera(leader)

    def close(self) -> None:
        """Let every viewer be on its own."""
        for viewer in self._viewers:
            viewer.dims.events.point.disconnect(self._on_point)
            viewer.scene.camera.events.zoom.disconnect(self._on_camera)
            viewer.scene.camera.events.center.disconnect(self._on_camera)
            if self._on_press in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewers = []

    def _on_point(self, event: Any) -> None:
        for viewer in self._viewers:
            if viewer.dims is event.source:
                self._share_point(viewer)
                return

    def _on_camera(self, event: Any) -> None:
        for viewer in self._viewers:
            if viewer.scene.camera is event.source:
                self._share_camera(viewer)
                return

    def _share_point(self, leader: ViewerModel) -> None:
        if self._is_setting or self.is_paused:
            return
        self._is_setting = True
        point = tuple(leader.dims.point)
        for viewer in self._viewers:
            if viewer is not leader and tuple(viewer.dims.point) != point:
                viewer.dims.point = point
        self._is_setting = False

    def _share_camera(self, leader: ViewerModel) -> None:
        """Give the others the zoom, and the centre along the axes that they share."""
        if self._is_setting or self.is_paused or leader.dims.ndisplay == 3:
            return
        self._is_setting = True
        fit = zoom_without_grid(leader) / self._zooms[id(leader)]
        center = dict(zip(leader.dims.displayed, _center(leader), strict=True))
        for viewer in self._viewers:
            if viewer is leader or viewer.dims.ndisplay == 3:
                continue
            camera, axes = viewer.scene.camera, viewer.dims.displayed
            now = _center(viewer)
            new = [center.get(axis, here) for axis, here in zip(axes, now, strict=True)]
            if new != now:
                camera.center = (*tuple(camera.center)[:-2], *new)
            full = zoom_without_grid(viewer)
            camera.zoom *= fit * self._zooms[id(viewer)] / full
        self._is_setting = False

    def _on_press(self, viewer: ViewerModel, event: Any) -> Any:
        """Go to the point that is clicked: pressed and let go at one place."""
        if event.button != 1 or event.modifiers or viewer.dims.ndisplay == 3:
            return
        start = tuple(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        moved = max(abs(a - b) for a, b in zip(start, event.pos, strict=True))
        if moved <= 3 and not self.is_paused:
            viewer.dims.point = tuple(event.position)


def _center(viewer: ViewerModel) -> list[float]:
    return [float(x) for x in tuple(viewer.scene.camera.center)[-2:]]
