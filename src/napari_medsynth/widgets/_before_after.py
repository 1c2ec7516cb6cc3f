"""BeforeAfter: one held-out slice as layers: source, truth, before, now."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_medsynth.errors import MedSynthError

from ._layers import unique_name
from ._notice import attach_synthetic_notice
from ._preview_file import ROLES, TrainingPreview, read_preview
from ._turns import Turns

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

_MADE = ("before", "now")  # by a model
_GAP = 0.05  # between two images, as a share of their width
_LINKED = ("truth", "before", "now")  # one contrast window: else they deceive


class BeforeAfter(QObject):
    """Four layers, two by two, to the right of what the viewer shows already.

    They are changed in place: contrast, colours, visibility, selection and camera stay
    as the user has set them. A layer that was removed stays away until `close`.

    Parameters
    ----------
    viewer : Viewer
    """

    said = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._preview: TrainingPreview | None = None
        self._model = ""
        self._layers: dict[str, Image] = {}
        self._place: dict[str, Any] = {}
        self._turns = Turns(self)

    @property
    def layers(self) -> dict[str, Image]:
        """The layers that are in the viewer, by "source", "truth", "before", "now"."""
        known = self._viewer.layers
        return {role: x for role, x in self._layers.items() if x in known}

    def show(self, path: Path | str, *, model: str = "") -> None:
        """Show the preview in `path`; a file that cannot be read changes nothing.

        Parameters
        ----------
        path : Path
            ``preview.npz`` of a run.
        model : str
            Id of the base model, for the layers' metadata.
        """
        try:
            preview = read_preview(path)
        except MedSynthError as err:
            self.said.emit(str(err))
            return
        is_first = self._preview is None
        self._preview, self._model = preview, model or self._model
        if is_first:
            attach_synthetic_notice(self._viewer)
            self._place = _free_place(self._viewer)
            steps = [partial(self._add, role) for role in ROLES]
            self._turns.add([*steps, self._link])
        else:
            self._turns.add([self._update])

    def look(self) -> None:
        """Move the camera so that the layers fill the canvas."""
        layers = list(self.layers.values())
        if not layers:
            return
        boxes = np.array([layer.extent.world[:, -2:] for layer in layers])
        low, high = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
        camera = self._viewer.scene.camera
        center = (low + high) / 2
        camera.center = (*tuple(camera.center)[:-2], *(float(x) for x in center))
        size = np.maximum(high - low, 1e-6)
        canvas = np.array(self._viewer.canvas.size, dtype=float)
        camera.zoom = float(0.9 * (canvas / size).min())

    def close(self) -> None:
        """Take the layers away; the next `show` makes new ones."""
        layers = self.layers
        self.abandon()
        for layer in layers.values():
            self._viewer.layers.remove(layer)

    def abandon(self) -> None:
        """Leave the layers as they are; the next `show` makes new ones."""
        self._turns.stop()
        self._preview, self._layers = None, {}

    def _add(self, role: str) -> None:
        """Add one layer and leave selection and camera as they were."""
        if self._preview is None:
            return
        image, viewer = self._preview.images[role].copy(), self._viewer
        kept = set(viewer.layers.selection)
        was_empty = not len(viewer.layers)
        below, right = divmod(ROLES.index(role), 2)  # as a window of two by two
        top, left = self._place["corner"]
        height, width = (n * (1 + _GAP) for n in image.shape)
        self._layers[role] = viewer.add_image(
            image,
            name=unique_name(viewer, self._name(role)),
            contrast_limits=(0, 1),
            colormap="gray",
            metadata={"medsynth": self._metadata(role)},
            translate=(top + below * height, left + right * width),
            units=self._place["units"],
            axis_labels=self._place["axis_labels"],
        )
        viewer.layers.selection = kept
        if was_empty or (role == ROLES[-1] and self._place["is_alone"]):
            self.look()

    def _link(self) -> None:
        same = [x for role, x in self.layers.items() if role in _LINKED]
        if len(same) > 1:
            self._viewer.layers.link_layers(same, ("contrast_limits", "gamma"))

    def _update(self) -> None:
        """Put the newest images into the layers that are still there."""
        if self._preview is None:
            return
        for role, layer in self.layers.items():
            image = self._preview.images[role]
            if layer.data.shape != image.shape:
                layer.data = image.copy()
            elif not np.array_equal(layer.data, image):
                layer.data[...] = image
                layer.refresh(extent=False)

    def _name(self, role: str) -> str:
        target = self._preview.target if self._preview else ""
        is_target = role != "source" and target
        return f"MedSynth: {role} ({target})" if is_target else f"MedSynth: {role}"

    def _metadata(self, role: str) -> dict[str, Any]:
        """As other layers of ours have it; the role keeps them from being sources."""
        is_made = role in _MADE
        target = self._preview.target if self._preview else ""
        return {
            "modality": target if role != "source" else "",
            "orientation": "LPS",
            "direction": np.eye(3).tolist(),
            "path": "",
            "dtype": "float32",
            "warnings": [],
            "synthetic": is_made,
            "role": "preview",
            "provenance": (
                {"model": self._model, "is_tuned": role == "now"} if is_made else {}
            ),
        }


def _free_place(viewer: Viewer) -> dict[str, Any]:
    """Give a corner to the right of all layers, with their units and axis labels.

    napari drops the units of all layers when two disagree.
    """
    if not len(viewer.layers):
        return {"corner": (0.0, 0.0), "units": None, "axis_labels": None} | {
            "is_alone": True
        }
    layer = viewer.layers[0]
    units, labels = tuple(layer.units)[-2:], tuple(layer.axis_labels)[-2:]
    (top, _), (_, right) = viewer.layers.extent.world[:, -2:]
    left = float(viewer.layers.extent.world[0, -1])
    gap = 0.05 * (float(right) - left)
    return {
        "corner": (float(top), float(right) + gap),
        "units": units,
        "axis_labels": labels,
        "is_alone": False,
    }
