"""CrossLines: two thin lines through the point at which a viewer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Vectors
    from numpy.typing import NDArray

_COLOUR = "#ffd23c"
_KEY = "cross lines"


class CrossLines:
    """A layer of two lines along the displayed axes, on top of a viewer's layers.

    For viewers of our own: in the main one it would be a layer among the user's.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        first = viewer.layers[0]
        self.layer: Vectors = viewer.add_vectors(
            self._lines(),
            name=_KEY,
            vector_style="line",
            edge_width=1,
            edge_color=_COLOUR,
            opacity=0.6,
            units=first.units,
            axis_labels=first.axis_labels,
        )
        self._on_zoom()
        viewer.dims.events.point.connect(self._on_point)
        viewer.dims.events.order.connect(self._on_point)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close(self) -> None:
        """Stop following the viewer."""
        self._viewer.dims.events.point.disconnect(self._on_point)
        self._viewer.dims.events.order.disconnect(self._on_point)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)

    def _lines(self) -> NDArray[np.float64]:
        """Start and direction (2, 2, n) of a line along each displayed axis."""
        dims = self._viewer.dims
        lines = np.zeros((2, 2, dims.ndim))
        for line, axis in zip(lines, dims.displayed[-2:], strict=True):
            low, high = dims.range[axis].start, dims.range[axis].stop
            line[0] = dims.point
            line[0, axis], line[1, axis] = low, high - low
        return lines

    def _on_point(self, event: Any = None) -> None:
        self.layer.data = self._lines()

    def _on_zoom(self, event: Any = None) -> None:
        """Stay about a pixel wide."""
        self.layer.edge_width = 1.5 / max(self._viewer.scene.camera.zoom, 1e-6)
