"""RestoreForm: task, model, image and options of the restoration dock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QWidget

from napari_medsynth.io import layer_data
from napari_medsynth.io.modality import MODALITIES

from ._dock import Dock
from ._layers import layer_modality
from ._preferences import Preferences
from .parts.degrade_box import DegradeBox
from .parts.image_combo import ImageCombo
from .parts.model_box import ModelBox
from .parts.plain import plain_label, push_button
from .parts.restore_box import THICK, RestoreBox
from .parts.run_box import RunBox

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard

NAME = "restore"
TEST = "Test on my own image"
TASKS = {"super-resolution": "Super-resolve", "denoising": "Denoise"}
_NO_MODEL = (
    "No trained model of this task is installed: import one with “medsynth models "
    "import”, or train one."
)
_ONE_PLANE = (
    "This model takes the mean of two planes: choose one of them in the options to run "
    "the current slice only."
)
_OTHER = (
    "\N{WARNING SIGN} The model is one of {wanted}; this image seems to be {found}."
)
_WIDTH = 350
_BY_MODALITY = {"CT": "CT", "CXR": "X-ray", "PET": "PET"}  # all others are MR


class RestoreForm(Dock):
    """All that one fills in to restore an image, laid out; it runs nothing.

    Signals: `edited` when anything was chosen, also when layers came or went.
    """

    edited = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, NAME, parent)
        self.model_box = ModelBox(
            accepts=_restores_slices, untrained="disabled", tasks=TASKS
        )
        self.model_box.task_combo.setToolTip("More pixels, or less noise.")
        self.image_combo = ImageCombo()
        self.image_label = plain_label("What is known of the image")
        self.restore_box = RestoreBox()
        self.degrade_box = DegradeBox()
        self.run_box = RunBox()
        self.run_box.run_button.setToolTip("Make the better image (Ctrl+Return).")
        self.undo_button = push_button(
            "&Undo", "Take the layers of the last run, or test image, away (Ctrl+Z)."
        )
        self.undo_button.setEnabled(False)
        self._lay_out()
        self._connect_form()
        self._on_card_changed(self.model_box.card)

    @property
    def card(self) -> ModelCard | None:
        """The chosen model."""
        return self.model_box.card

    @property
    def layer(self) -> Layer | None:
        """The chosen image."""
        return self.image_combo.layer

    def reason(self) -> str:
        """Say why the choice cannot be run; "" if it can."""
        if self.card is None:
            return _NO_MODEL
        if self.layer is None:
            return "Open an image first."
        options = self.restore_box.options()
        is_mean = self.card.degradation["kind"] == THICK and options.plane is None
        return _ONE_PLANE if is_mean and options.extent == "current" else ""

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.model_box.task,
            "model": self.card.id if self.card else "",
            "options": self.restore_box.to_json(),
            "degrade": self.degrade_box.to_json(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        self.model_box.refresh()  # another folder of models may be in use now
        self.model_box.choose(
            str(values.get("model", "")), task=str(values.get("task", ""))
        )
        for name, choose in (
            ("options", self.restore_box.set_options),
            ("degrade", self.degrade_box.set_from_json),
        ):
            kept = values.get(name)
            choose(kept if isinstance(kept, dict) else {})
        preferences = Preferences()
        self.restore_box.set_options(
            {"device": preferences.device, "precision": preferences.precision}
        )

    def shortcut(self, keys: str, slot: Any) -> None:
        """Call a bound method on `keys` anywhere in the dock."""
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(slot)

    def _lay_out(self) -> None:
        place = QWidget()
        form = QFormLayout(place)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Ima&ge", self.image_combo)
        form.addRow(self.image_label)
        self.add_section("Model and image", self.model_box, place)
        self.add_section("Options", self.restore_box, is_open=False)
        self.add_section(TEST, self.degrade_box, is_open=False)
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.run_box, 1)
        line.addWidget(self.undo_button, 0, Qt.AlignmentFlag.AlignBottom)
        layout: Any = self.layout()
        layout.addLayout(line)
        self.setMinimumWidth(_WIDTH)

    def _connect_form(self) -> None:
        self.model_box.card_changed.connect(self._on_card_changed)
        self.image_combo.layer_changed.connect(self._on_edited)
        self.restore_box.changed.connect(self._on_edited)

    def _on_card_changed(self, card: ModelCard | None) -> None:
        self.degrade_box.set_card(card)
        self.restore_box.set_card(card)  # says changed

    def _on_edited(self) -> None:
        known = _described(self.layer, self.card)
        self.image_label.setText(known)
        self.image_label.setVisible(bool(known))
        self.run_box.set_reason(self.reason())
        self.degrade_box.set_reason(self.reason())
        self.edited.emit()


def _described(layer: Layer | None, card: ModelCard | None) -> str:
    """Say how large an image and its voxels are, and whether it suits the model."""
    if layer is None:
        return ""
    data = layer.data[0] if layer.multiscale else layer.data
    scale = (
        np.abs(layer.scale[-3:])
        * layer_data.mm_per_unit({"units": layer.units})[-len(layer.scale[-3:]) :]
    )
    sides = " x ".join(str(n) for n in data.shape[-3:])
    text = f"{sides} voxels of {' x '.join(f'{s:.3g}' for s in scale)} mm"
    found, wanted = kind_of_image(layer), kind_of_model(card)
    if found and wanted and found != wanted:
        text += "\n" + _OTHER.format(wanted=wanted, found=found)
    return text


def kind_of_image(layer: Layer) -> str:
    """Give "CT", "X-ray", "PET" or "MR"; "" if nobody knows."""
    modality = layer_modality(layer)
    other = "MR" if modality in MODALITIES else ""
    return _BY_MODALITY.get(modality, other)


def kind_of_model(card: ModelCard | None) -> str:
    """Give "CT", "X-ray", "PET" or "MR"; "" for a model of images of any kind."""
    words = card.outputs[0].split() if card is not None else []
    if any(word in ("MR", "MRI", *MODALITIES) for word in words):
        named = next(word for word in words if word in ("MR", "MRI", *MODALITIES))
        return _BY_MODALITY.get(named, "MR")
    return "X-ray" if "X-ray" in words else ""


def _restores_slices(card: ModelCard) -> bool:
    return card.is_restoration and card.spatial_dims == 2 and card.task in TASKS
