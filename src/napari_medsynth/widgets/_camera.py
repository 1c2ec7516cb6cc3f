"""Show (S, P, L) layers as a radiologist expects them: upright and never mirrored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel

_cameras: WeakKeyDictionary[Any, _RadiologicalCamera] = WeakKeyDictionary()


def attach_radiological_camera(viewer: ViewerModel) -> None:
    """Keep the camera of `viewer` radiological, whichever axes are displayed.

    Axial: anterior up, patient's left on the right. Coronal: superior up, left on the
    right. Sagittal: superior up, anterior on the left. 3D is never mirrored and first
    opens on the face. Rolling the axes goes axial, sagittal, coronal, all upright.
    A second call for the same viewer does nothing.
    """
    model = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    if model not in _cameras:
        _cameras[model] = _RadiologicalCamera(model)


def on_activate(context: Any = None) -> None:
    """Attach the camera of the open viewer: npe2 calls this when MedSynth first reads.

    Without a viewer (a script that reads through npe2) there is nothing to do.
    """
    if "napari" not in sys.modules:
        return
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        attach_radiological_camera(viewer)


class _RadiologicalCamera:
    """Follows the displayed axes of one viewer; it must not keep that viewer alive."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._dims = viewer.dims
        self._camera = viewer.scene.camera
        self._order = tuple(self._dims.order)
        self._has_faced = False
        self._dims.events.order.connect(self._on_order)
        self._dims.events.ndisplay.connect(self._on_ndisplay)
        self._turn()

    def _on_order(self, event: Any = None) -> None:
        before, self._order = self._order, tuple(self._dims.order)
        upright = _upright_roll(before, self._order)
        if upright != self._order:
            self._dims.order = upright  # comes back here
        self._turn()

    def _on_ndisplay(self, event: Any = None) -> None:
        self._turn()
        if self._dims.ndisplay == 3 and not self._has_faced:
            self._has_faced = True
            self._face()

    def _turn(self) -> None:
        """Set the direction of each axis on the canvas from the displayed axes."""
        axes = self._dims.order[-3:]
        if len(axes) < 3:
            return
        is_up = axes[1] == self._dims.ndim - 3  # S runs vertically
        is_mirrored = (_parity(axes) < 0) != is_up
        depth = "towards" if is_mirrored else "away"
        self._camera.orientation = (depth, "up" if is_up else "down", "right")

    def _face(self) -> None:
        """Look at the patient from the front, unless someone has turned the camera."""
        first = self._dims.ndim - 3
        axes = list(self._dims.order[-3:])
        if tuple(self._camera.angles) != (0, 0, 0) or sorted(axes)[0] != first:
            return
        eye = np.eye(3)
        posterior, superior = eye[axes.index(first + 1)], eye[axes.index(first)]
        self._camera.set_view_direction(tuple(posterior), tuple(superior))


def _upright_roll(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Give the order to show when napari rolls three axes from `before` to `after`.

    Rolling sagittal would lay the coronal view on its side. It is transposed, and then
    the next roll has to lead back to axial. A transposition by hand is left alone.
    """
    rolled: dict[tuple[int, ...], tuple[int, ...]] = {
        (2, 0, 1): (1, 0, 2),
        (1, 0, 2): (0, 1, 2),
    }
    is_roll = len(after) == 3 and after == (*before[-1:], *before[:-1])
    return rolled.get(before, after) if is_roll else after


def _parity(axes: tuple[int, ...]) -> int:
    """+1 for an even permutation, -1 for an odd one."""
    order = np.argsort(axes)
    return round(float(np.linalg.det(np.eye(len(axes))[order])))
