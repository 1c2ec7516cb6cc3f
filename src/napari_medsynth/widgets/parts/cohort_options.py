"""CohortOptions: alignment, planes and rehearsal of the data that are learnt from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QSpinBox,
    QWidget,
)

from .config_fields import WheelGuard
from .options_box import PLANES

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard

ALIGNS = {"header": "header: trust the files", "rigid": "rigid: register them"}
_SIMULATED = {"T1", "T2", "PD", "FLAIR"}  # contrasts that `simulate` can make
_USUAL_REHEARSAL = 20  # percent
_USUAL_PLANES: tuple[str, ...] = ("axial",)


class CohortOptions(QWidget):
    """Settings of `DataConfig` besides the subjects.

    Signals: `changed` with any of them; `align_changed` with how contrasts are aligned.
    """

    changed = Signal()
    align_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        guard = WheelGuard(self)
        self.align_combo = QComboBox()
        for align, words in ALIGNS.items():
            self.align_combo.addItem(words, align)
        self.align_combo.setToolTip(
            "Header: contrasts lie where their files say. Rigid: turn and shift them "
            "onto the first one; for patients who moved between scans."
        )
        self.plane_boxes = {plane: QCheckBox(plane) for plane in PLANES}
        self.plane_boxes["axial"].setChecked(True)
        self.rehearsal_spin = QSpinBox()
        self.rehearsal_spin.setRange(0, 90)
        self.rehearsal_spin.setSingleStep(5)
        self.rehearsal_spin.setSuffix(" %")
        self.rehearsal_spin.setSpecialValueText("none")
        self.rehearsal_spin.setValue(_USUAL_REHEARSAL)
        self._is_bound, self._free_planes = False, _USUAL_PLANES
        self._lay_out()
        for widget in (self.align_combo, self.rehearsal_spin):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(guard)
        self.set_card(None)
        self.align_combo.currentIndexChanged.connect(self._on_align_changed)
        for box in self.plane_boxes.values():
            box.toggled.connect(self.changed)
        self.rehearsal_spin.valueChanged.connect(self.changed)

    @property
    def align(self) -> str:
        """ "header" or "rigid"."""
        return str(self.align_combo.currentData())

    @property
    def planes(self) -> tuple[str, ...]:
        """Which slices are trained on."""
        return tuple(p for p, box in self.plane_boxes.items() if box.isChecked())

    @property
    def simulated_share(self) -> float:
        """Share of made-up slices [0, 1]."""
        spin = self.rehearsal_spin
        return spin.value() / 100 if spin.isEnabled() else 0.0

    def set_card(self, card: ModelCard | None) -> None:
        """Say what the base model was trained on, and whether that can be rehearsed."""
        self._show_planes(card)
        why_not = _why_no_rehearsal(card)
        self.rehearsal_spin.setEnabled(not why_not)
        self.rehearsal_spin.setToolTip(
            why_not
            or "Share of simulated slices among those that are learnt from: keeps the "
            "model from forgetting what it knew. None learns your data fastest."
        )
        self.align_combo.setEnabled(card is None or not card.is_restoration)
        self.changed.emit()

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {
            "align": self.align,
            "planes": list(self.planes),
            "rehearsal": self.rehearsal_spin.value(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        index = self.align_combo.findData(values.get("align"))
        if index >= 0:
            self.align_combo.setCurrentIndex(index)
        planes = values.get("planes")
        if isinstance(planes, list) and any(p in self.plane_boxes for p in planes):
            self._check([p for p in planes if isinstance(p, str)])
        rehearsal = values.get("rehearsal")
        if isinstance(rehearsal, int):
            self.rehearsal_spin.setValue(rehearsal)

    def _show_planes(self, card: ModelCard | None) -> None:
        """Offer the planes that there is something to learn from."""
        planes = card.planes if card else PLANES
        is_bound = card is not None and _is_bound_to_planes(card)
        for plane, box in self.plane_boxes.items():
            is_known = plane in planes
            box.setEnabled(is_known or not is_bound)
            box.setToolTip(_about_plane(plane, is_known=is_known, is_bound=is_bound))
        if is_bound and not self._is_bound:
            self._free_planes = self.planes or _USUAL_PLANES
            self._check(self.planes if set(self.planes) & set(planes) else planes)
        elif self._is_bound and not is_bound:
            self._check(self._free_planes)
        self._is_bound = is_bound

    def _check(self, planes: Collection[str]) -> None:
        for plane, box in self.plane_boxes.items():
            box.setChecked(plane in planes and box.isEnabled())

    def _lay_out(self) -> None:
        planes = QWidget()
        line = QHBoxLayout(planes)
        line.setContentsMargins(0, 0, 0, 0)
        for box in self.plane_boxes.values():
            line.addWidget(box)
        line.addStretch(1)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow("Ali&gn", self.align_combo)
        form.addRow("Planes", planes)
        form.addRow("Re&hearsal", self.rehearsal_spin)
        for widget in (self.align_combo, self.rehearsal_spin, planes):
            if (label := form.labelForField(widget)) is not None:
                label.setToolTip(widget.toolTip())

    def _on_align_changed(self) -> None:
        self.align_changed.emit()
        self.changed.emit()


def _is_bound_to_planes(card: ModelCard) -> bool:
    """Tell whether only slices of the card's planes can be degraded as it says."""
    return bool(card.degradation.get("kind") == "thick-slices")


def _about_plane(plane: str, *, is_known: bool, is_bound: bool) -> str:
    if is_known:
        return f"Learn from {plane} slices."
    if is_bound:
        return f"Thick slices cannot be seen in {plane} ones: nothing to learn there."
    return (
        f"Learn from {plane} slices, which the base model never saw: needs more data "
        "and time."
    )


def _why_no_rehearsal(card: ModelCard | None) -> str:
    """Say why nothing can be rehearsed; "" if it can."""
    if card is None:
        return ""
    if not card.is_trained:
        return "A network that is not trained knows nothing that it could forget."
    if card.is_restoration:
        can_simulate = card.outputs[0] in {*_SIMULATED, "MR"}
    else:
        can_simulate = {*card.inputs, *card.outputs} <= _SIMULATED
    if can_simulate:
        return ""
    return "Only T1, T2, PD and FLAIR can be simulated: nothing to rehearse."
