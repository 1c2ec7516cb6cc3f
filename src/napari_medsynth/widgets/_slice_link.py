"""SliceLink: which slice of a volume a viewer shows, and how to go to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._layers import like
from ._measure import PLANES

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


class SliceLink:
    """The slices of a layer's volume, numbered as its voxels along the LPS axes.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Layer
        An image; its place is taken once.
    """

    def __init__(self, viewer: ViewerModel, layer: Layer) -> None:
        place: dict[str, Any] = like(layer)
        self._viewer = viewer
        self._start, self._step = place["translate"], place["scale"]

    @property
    def plane(self) -> str:
        """The plane whose slices the slider goes through."""
        return plane_of(self._viewer)

    @property
    def index(self) -> int:
        """The slice that is nearest to the one on the screen; maybe outside."""
        number, axis = self._axes()
        point = self._viewer.dims.point[axis]
        return round((point - self._start[number]) / self._step[number])

    def show(self, index: int) -> None:
        """Show another slice."""
        number, axis = self._axes()
        place = self._start[number] + index * self._step[number]
        self._viewer.dims.set_point(axis, place)

    def _axes(self) -> tuple[int, int]:
        """Number of the axis in the volume, and in the viewer."""
        number = PLANES.index(self.plane)
        return number, number + self._viewer.dims.ndim - 3


def plane_of(viewer: ViewerModel) -> str:
    """Give the plane that a viewer shows: "axial" when S is hidden, ..."""
    dims = viewer.dims
    if dims.ndim < 3:
        return PLANES[0]
    number = dims.order[-3] - (dims.ndim - 3)
    return PLANES[number] if number >= 0 else PLANES[0]
