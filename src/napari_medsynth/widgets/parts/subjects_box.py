"""SubjectsBox: the local subjects, in a folder or on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._layers import volume_later
from napari_medsynth.widgets._notice import is_synthetic
from napari_medsynth.widgets._self_test_jobs import Place
from napari_medsynth.widgets._watch import Watch
from napari_medsynth.widgets._worker import tell_error

from .cohort_source import FOLDER, LAYERS, CohortSource
from .plain import plain_label

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.catalogue import ModelCard

_LAYER_EVENTS = ("inserted", "removed", "reordered", "name", "metadata")


class SubjectsBox(QWidget):
    """Asks for a folder, or which open layer is which contrast; reads nothing.

    ``changed`` is emitted when anything else is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._contrasts: tuple[str, ...] = ()
        self.source = CohortSource()
        self.source.choose(LAYERS)
        self.hint_label = plain_label("Which subjects can be used")
        self.hint_label.setText(
            "Subjects with real scans of all contrasts, whom the model was not trained "
            "on. Nothing that names them is kept."
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.hint_label)
        column.addWidget(self.source)
        self._watch = Watch(self._viewer.layers.events, only=_LAYER_EVENTS)
        self._watch.heard.connect(self._on_layers)
        self.source.changed.connect(self.changed)
        self.source.chosen.connect(self.changed)
        self._end = partial(Watch.close, self._watch)
        self.destroyed.connect(self._end)

    def set_card(self, card: ModelCard | None) -> None:
        """Ask for the contrasts of another model."""
        contrasts = tuple(dict.fromkeys((*card.inputs, *card.outputs))) if card else ()
        if contrasts != self._contrasts:
            self._contrasts = contrasts
            self.source.slots.set_contrasts(contrasts)
            self._on_layers()

    def reason(self) -> str:
        """Say what is missing; "" if there may be subjects."""
        if self.source.kind == LAYERS:
            if len(self.source.slots.layers()) < 2:
                return "Open real scans of one subject, at least two contrasts."
        elif not self.source.folder:
            return "Choose the folder of the subjects, or drop it here."
        return ""

    def place(self) -> Place | None:
        """Give where the subjects are; None if a layer cannot be used."""
        if self.source.kind == FOLDER:
            return Place(self.source.folder)
        layers = self.source.slots.layers()
        try:
            return Place(layers={c: volume_later(x) for c, x in layers.items()})
        except MedSynthError as err:
            self.hint_label.setText(tell_error(err))
            return None

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"kind": self.source.kind, "folder": self.source.folder}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        if values.get("kind") in (FOLDER, LAYERS):
            self.source.choose(values["kind"], str(values.get("folder", "")))

    def close(self) -> bool:
        """Follow the viewer no more; again, it changes nothing."""
        self._end()
        return bool(super().close())

    def _on_layers(self) -> None:
        real = [layer for layer in self._viewer.layers if not is_synthetic(layer)]
        self.source.slots.set_layers(real)
