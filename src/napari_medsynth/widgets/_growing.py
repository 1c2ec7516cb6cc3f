"""GrowingLayer: an image layer whose slices arrive one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_medsynth.io.geometry import layer_metadata

from ._layers import unique_name

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

    from ._request import Request

REFRESH_EVERY = 250  # ms; drawing is what costs, not copying


class GrowingLayer(QObject):
    """A synthetic layer that starts black and is filled in place.

    The picture is drawn again only if a slice that is on the screen has changed, and at
    most every `REFRESH_EVERY` ms.

    Parameters
    ----------
    viewer : Viewer
        Gets the layer at once. A preview leaves the selection as it is.
    request : Request
        Says where the layer lies and how it is shown.
    modality, name : str
        What it will be, and its wished name.
    role : str
        "preview" for a layer that is no result, else "".
    data : ndarray, optional
        (Z, Y, X), float32; what it shows at first, and is filled in place. Black
        without it.
    """

    def __init__(
        self,
        viewer: Viewer,
        request: Request,
        modality: str,
        name: str,
        *,
        role: str = "",
        data: NDArray[np.float32] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._request = request
        limits = request.contrast_limits[modality]
        black = min(0.0, limits[0])  # air, in HU
        self._array: NDArray[np.float32] = (
            np.full(request.reference.shape, black, np.float32)
            if data is None
            else data
        )
        self._is_stale = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_EVERY)
        self._timer.timeout.connect(self._on_timeout)
        kept = set(viewer.layers.selection) if role else ()  # selecting is slow
        self.layer = viewer.add_image(
            self._array,
            name=unique_name(viewer, name),
            contrast_limits=limits,
            metadata={"medsynth": _metadata(request, modality, role)},
            **request.place,
        )
        if kept:
            viewer.layers.selection = kept

    @property
    def is_in_viewer(self) -> bool:
        """False once someone has removed the layer."""
        return self.layer in self._viewer.layers

    def fill(self, slices: Sequence[int], images: NDArray[np.float32]) -> None:
        """Put `images` (n, H, W) at `slices` of the request's axis."""
        along = np.moveaxis(self._array, self._request.axis, 0)
        along[list(slices)] = images
        if self.is_in_viewer and self._is_shown(slices):
            self._is_stale = True
            if not self._timer.isActive():
                self._on_timeout()

    def finish(self, data: NDArray[np.float32], metadata: dict[str, Any]) -> None:
        """Take the final array (Z, Y, X) and metadata."""
        self._timer.stop()
        if not self.is_in_viewer:
            return
        self.layer.metadata = {"medsynth": metadata}
        if not np.array_equal(self._array, data):
            self._array[...] = data
        self.layer.refresh(extent=False)

    def remove(self) -> None:
        """Take the layer out of the viewer, if it still is in."""
        self._timer.stop()
        if self.is_in_viewer:
            self._viewer.layers.remove(self.layer)

    def _is_shown(self, slices: Sequence[int]) -> bool:
        dims = self._viewer.dims
        is_across = dims.ndim - 3 + self._request.axis in dims.displayed
        return is_across or self._request.index_of(dims.point) in slices

    def _on_timeout(self) -> None:
        if self._is_stale and self.is_in_viewer:
            self._is_stale = False
            self.layer.refresh(extent=False, thumbnail=False)
            self._timer.start()


def _metadata(request: Request, modality: str, role: str) -> dict[str, Any]:
    """Metadata of a layer that is being made: synthetic from the first moment."""
    kept = layer_metadata(request.reference)
    return {
        **kept,
        "modality": modality,
        "path": "",
        "warnings": [],
        "synthetic": True,
        "role": role,
        "provenance": {"model": request.card.id, "weights_sha256": request.card.sha256},
    }
