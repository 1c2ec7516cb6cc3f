"""RestoreRun: one restoration, from its request to its layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap
from qtpy.QtCore import QObject

from napari_medsynth.io.geometry import layer_metadata

from ._growing import GrowingLayer
from ._layer_run import LayerRun
from ._layers import over, unique_name
from ._restore_scores import unit_of
from ._restore_work import Begun, Restored, RestoreRequest, run_restore
from ._roles import Role

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.engine import Progress
    from napari_medsynth.io import Volume

_TITLES = {"residual": "taken away", "noise": "noise"}
_KEY = "result"
_MOST_SAMPLES = 1 << 20


class RestoreRun(LayerRun):
    """Runs a `RestoreRequest` in a worker; its layer begins as the plain image.

    Attributes
    ----------
    restored : Restored or None
        What came of it, at the end.
    layers : list of Layer
        What was added.
    """

    def __init__(
        self, viewer: Viewer, request: RestoreRequest, parent: QObject | None = None
    ) -> None:
        title = f"Restoring with {request.card.title}"
        super().__init__(viewer, run_restore, request, title, parent)
        self._request = request
        self._n_filled = 0
        self.restored: Restored | None = None
        self.layers: list[Layer] = []

    def start(self) -> None:
        """Start the worker, which reads the image."""
        self.begin(1)

    def _on_yielded(self, step: Begun | Progress) -> None:
        if isinstance(step, Begun):
            self._add_growing(step)  # at once: its slices come next
            return
        growing = self.growing.get(_KEY)
        for images in step.partial.values():
            if growing is not None:
                growing.fill(step.slices, images)
                self._n_filled += len(step.slices)
        if self._activity is not None:
            self._activity.total = step.total
        super()._on_yielded(step)

    def _on_returned(self, restored: Restored) -> None:
        self._turns.add([partial(self._finish, restored)])
        self._turns.add(
            partial(self._add_map, name, volume, restored)
            for name, volume in restored.maps.items()
        )
        self.restored = restored
        self._outcome = _told(restored, self._request, self._seconds())

    def _add_growing(self, begun: Begun) -> None:
        (modality,) = begun.request.targets
        growing = GrowingLayer(
            self._viewer,
            begun.request,
            modality,
            begun.name,
            data=begun.data,
            parent=self,
        )
        self.growing[_KEY] = growing
        self.layers.append(growing.layer)

    def _finish(self, restored: Restored) -> None:
        growing, volume = self.growing[_KEY], restored.volume
        growing.finish(volume.data[0], layer_metadata(volume))
        if growing.is_in_viewer and growing.layer.name != volume.name:
            growing.layer.name = unique_name(self._viewer, volume.name)

    def _end(self) -> None:
        if self.restored is None and not self._n_filled:
            self._n_done = 0  # nothing is to be seen: the layer goes
        super()._end()

    def _add_map(self, name: str, volume: Volume, restored: Restored) -> None:
        """Lay a map of the noise over the image."""
        role = Role.DIFFERENCE if name == "residual" else Role.OTHER
        metadata = {**layer_metadata(volume), "modality": "", "role": role.value}
        kept = set(self._viewer.layers.selection)
        layer = self._viewer.add_image(
            volume.data[0],
            name=unique_name(self._viewer, f"{_TITLES[name]} ({restored.volume.name})"),
            metadata={"medsynth": metadata},
            visible=False,
            **_look(name, volume),
            **over(volume, restored.reference, self._request.place),
        )
        self._viewer.layers.selection = kept
        self.layers.append(layer)


def _told(restored: Restored, request: RestoreRequest, seconds: float) -> str:
    """Say what was made, and how much noise was and is in it."""
    sides = " x ".join(f"{side:.3g}" for side in restored.volume.spacing)
    lines = [f"Made {restored.volume.name}, {sides} mm, in {seconds:.1f} s."]
    if restored.noise:
        unit = f" {unit_of(request.card)}".rstrip()
        before, after = restored.noise
        lines.append(
            f"Noise level: {before:.3g}{unit} before, {after:.3g}{unit} after."
        )
    notes = restored.volume.metadata.get("provenance", {}).get("notes", ())
    return "\n".join([*lines, *notes])


def _look(name: str, volume: Volume) -> dict[str, Any]:
    """Signed colours about 0 for the residual, bright ones for the noise."""
    step = -(-volume.data.size // _MOST_SAMPLES)  # the window must not wait for it
    values = np.abs(volume.data.flat[::step])
    values = values[np.isfinite(values)]
    most = float(np.percentile(values, 99.5)) if values.size else 0.0
    most = most if most > 0 else 1.0
    if name == "residual":
        colours = [[0.1, 0.45, 1.0], [0.0, 0.0, 0.0], [1.0, 0.55, 0.1]]
        colormap = Colormap(colours, name="blue-black-orange")
        return {"colormap": colormap, "contrast_limits": (-most, most)}
    return {"colormap": "inferno", "contrast_limits": (0.0, most)}
