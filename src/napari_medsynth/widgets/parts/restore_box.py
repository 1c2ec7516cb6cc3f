"""RestoreBox: factor, plane, range, device, tiles and extra layers of a restoration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_medsynth.catalogue import ModelCard

from .options_box import DEVICES, PLANES, PRECISIONS

BY_MODEL = "automatic"
EXTENTS = {"volume": "whole volume", "current": "current slice"}
TILES = (0, 128, 192, 256, 384, 512, 768, 1024)
THICK = "thick-slices"
_KEPT = ("plane", "extent", "tile")
_MOST = 10.0  # times finer


@dataclass(frozen=True)
class RestoreOptions:
    """How to run a model that restores.

    Parameters
    ----------
    factor : float or None
        How many times finer; None for that of the model.
    plane : str or None
        Slices the model works on; None for those of the model.
    extent : str
        "volume", or "current" for the slice that is shown.
    device, precision, tile
        As `napari_medsynth.engine.restore` takes them.
    has_residual, has_noise_map : bool
        Also show what was taken away, and how strong it was where.
    """

    factor: float | None = None
    plane: str | None = None
    extent: str = "volume"
    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    has_residual: bool = False
    has_noise_map: bool = False


class RestoreBox(QWidget):
    """The form of `RestoreOptions`; shows what the chosen model has a use for."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._card: ModelCard | None = None
        self.factor_spin = QDoubleSpinBox()
        self.factor_spin.setRange(1.0, _MOST)
        self.factor_spin.setSingleStep(0.5)
        self.factor_spin.setDecimals(2)
        self.factor_spin.setSuffix(" x")
        self.plane_combo = _combo(
            {"": BY_MODEL, **{plane: plane for plane in PLANES}},
            "Slices that the model works on.",
        )
        self.extent_combo = _combo(EXTENTS, "How much of the volume to restore.")
        self.device_combo = _combo({d: d for d in DEVICES}, "Where the model runs.")
        self.precision_combo = _combo(
            {p: p for p in PRECISIONS},
            "Arithmetic of the model; auto is safe and fast.",
        )
        self.tile_combo = _combo(
            {None: BY_MODEL, **{n: f"{n} pixels" if n else "none" for n in TILES}},
            "Side of the tiles that large slices are run in; small ones save memory.",
        )
        self.residual_box = QCheckBox("What was taken away, as a &layer")
        self.residual_box.setToolTip(
            "Residual: noisy minus denoised. Anatomy in it was lost."
        )
        self.noise_box = QCheckBox("Ma&p of the noise, as a layer")
        self.noise_box.setToolTip(
            "Standard deviation of what was taken away around each voxel."
        )
        self._lay_out()
        for combo in self._combos().values():
            combo.currentIndexChanged.connect(self.changed)
        self.factor_spin.valueChanged.connect(self.changed)
        for box in (self.residual_box, self.noise_box):
            box.toggled.connect(self.changed)
        self.set_card(None)

    def options(self) -> RestoreOptions:
        """Give what is chosen, as far as the model has a use for it."""
        card, chosen = self._card, self._chosen()
        is_denoiser = card is not None and card.task == "denoising"
        return RestoreOptions(
            factor=self.factor_spin.value() if can_choose_factor(card) else None,
            plane=chosen["plane"] or None,
            extent=chosen["extent"],
            device=chosen["device"],
            precision=chosen["precision"],
            tile=chosen["tile"],
            has_residual=is_denoiser and self.residual_box.isChecked(),
            has_noise_map=is_denoiser and self.noise_box.isChecked(),
        )

    def set_card(self, card: ModelCard | None) -> None:
        """Show the options of another model; its own factor is chosen."""
        self._card = card
        rows, columns = card_factor(card)
        with QSignalBlocker(self.factor_spin):
            self.factor_spin.setValue(max(rows, columns))
        self.factor_spin.setEnabled(can_choose_factor(card))
        self.factor_spin.setToolTip(
            "How many times finer the image becomes."
            if can_choose_factor(card)
            else "This model knows one factor only."
        )
        self._form.setRowVisible(self.factor_spin, max(rows, columns) > 1)
        is_denoiser = card is not None and card.task == "denoising"
        for box in (self.residual_box, self.noise_box):
            self._form.setRowVisible(box, is_denoiser)
        self._mark_own()
        self.changed.emit()

    def set_options(self, values: Mapping[str, Any]) -> None:
        """Choose `values`, as far as they are known; the others stay."""
        with QSignalBlocker(self):
            for name, combo in self._combos().items():
                index = combo.findData(values[name]) if name in values else -1
                if index >= 0:
                    combo.setCurrentIndex(index)
            if isinstance(values.get("factor"), int | float):
                self.factor_spin.setValue(values["factor"])
            self._mark_own()
            for name, box in self._boxes().items():
                if isinstance(values.get(name), bool):
                    box.setChecked(values[name])
        self.changed.emit()

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering; napari's Preferences have the device."""
        boxes = {name: box.isChecked() for name, box in self._boxes().items()}
        chosen = {key: value for key, value in self._chosen().items() if key in _KEPT}
        return {**chosen, **boxes}

    def _combos(self) -> dict[str, QComboBox]:
        return {
            "plane": self.plane_combo,
            "extent": self.extent_combo,
            "device": self.device_combo,
            "precision": self.precision_combo,
            "tile": self.tile_combo,
        }

    def _boxes(self) -> dict[str, QCheckBox]:
        return {"has_residual": self.residual_box, "has_noise_map": self.noise_box}

    def _chosen(self) -> dict[str, Any]:
        return {name: combo.currentData() for name, combo in self._combos().items()}

    def _mark_own(self) -> None:
        card = self._card
        own = BY_MODEL
        if card is not None:
            is_mean = card.degradation.get("kind") == THICK
            own = "mean of both" if is_mean else card.planes[0]
            own = f"{BY_MODEL} ({own})"
        self.plane_combo.setItemText(0, own)
        for index, plane in enumerate(PLANES, start=1):
            is_trained = card is None or plane in card.planes
            self.plane_combo.setItemText(
                index, plane if is_trained else f"{plane} (not trained on)"
            )
        tile = card.tile if card is not None else 0
        own = f"{BY_MODEL} ({f'{tile} pixels' if tile else 'none'})"
        self.tile_combo.setItemText(0, own)
        self._grey_small_tiles(2 * card.overlap if card is not None else 0)

    def _grey_small_tiles(self, smallest: int) -> None:
        """Offer tiles only of which at least half is their own, or none."""
        items = self.tile_combo.model()
        if not isinstance(items, QStandardItemModel):
            return
        for index in range(1, self.tile_combo.count()):
            side, item = self.tile_combo.itemData(index), items.item(index)
            if item is not None:
                item.setEnabled(not side or side >= smallest)
        chosen = self.tile_combo.currentData()
        if chosen and chosen < smallest:
            self.tile_combo.setCurrentIndex(0)

    def _lay_out(self) -> None:
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("&Finer by", self.factor_spin)
        self._form.addRow("Pla&ne", self.plane_combo)
        self._form.addRow("Ran&ge", self.extent_combo)
        self._form.addRow("&Device", self.device_combo)
        self._form.addRow("Prec&ision", self.precision_combo)
        self._form.addRow("&Tiles", self.tile_combo)
        self._form.addRow(self.residual_box)
        self._form.addRow(self.noise_box)


def card_factor(card: ModelCard | None) -> tuple[int, int]:
    """Give how many times finer rows and columns become; (1, 1) if they do not."""
    factor = card.degradation.get("factor") if card is not None else None
    rows, columns = factor or (1, 1)
    return int(rows), int(columns)


def can_choose_factor(card: ModelCard | None) -> bool:
    """Tell whether the image is enlarged before the network sees it, by any factor."""
    return card is not None and card.scale == 1 and max(card_factor(card)) > 1


def _combo(choices: Mapping[Any, str], tip: str) -> QComboBox:
    combo = QComboBox()
    for value, text in choices.items():
        combo.addItem(text, value)
    combo.setToolTip(tip)
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(8)
    return combo
