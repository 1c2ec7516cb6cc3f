"""SynthesisRun: one synthesis, from its request to its layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_medsynth.io.geometry import layer_metadata

from ._growing import GrowingLayer
from ._layer_run import LayerRun
from ._layers import over, unique_name
from ._request import Request, run_request

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

    from napari_medsynth.engine import Progress, Result
    from napari_medsynth.io import Volume


class SynthesisRun(LayerRun):
    """Runs a `Request` in a worker and fills one new layer per target as it goes."""

    def __init__(
        self, viewer: Viewer, request: Request, parent: QObject | None = None
    ) -> None:
        title = f"Synthesising {', '.join(request.targets)}"
        super().__init__(viewer, run_request, request, title, parent)
        self._request = request

    @property
    def is_whole(self) -> bool:
        """Whether every slice of the volume was made."""
        return self._n_done == self._request.reference.shape[self._request.axis]

    def start(self) -> None:
        """Add the layers, one per turn of the event loop, and then start the worker."""
        layers = [partial(self._add_growing, m) for m in self._request.targets]
        self.begin(self._request.n_slices, layers)

    def _add_growing(self, modality: str) -> None:
        name = f"{modality} (synthetic: {self._request.card.title})"
        growing = GrowingLayer(self._viewer, self._request, modality, name, parent=self)
        self.growing[modality] = growing

    def _on_yielded(self, step: Progress) -> None:
        for modality, images in step.partial.items():
            self.growing[modality].fill(step.slices, images)
        super()._on_yielded(step)

    def _on_returned(self, result: Result) -> None:
        for modality, volume in result.volumes.items():
            if modality in self.growing:
                metadata = layer_metadata(volume)
                self.growing[modality].finish(volume.data[0], metadata)
        self._turns.add(
            partial(self._add_attention, name, volume, is_visible=number == 0)
            for number, (name, volume) in enumerate(result.attention.items())
        )
        made = ", ".join(self.growing)
        self._outcome = f"Made {made} in {self._seconds():.1f} s."

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
