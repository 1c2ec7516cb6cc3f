"""SynthesizeForm: all that one fills in to synthesise, laid out; it runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_medsynth.catalogue import ModelCard

from ._trust_words import expected_here
from .parts.card_view import measured_quality
from .parts.modality_table import ModalityTable
from .parts.model_box import ModelBox
from .parts.options_box import OptionsBox
from .parts.passport_box import PassportBox
from .parts.run_box import RunBox


class SynthesizeForm(QWidget):
    """Model, modalities and options in a scroll area; preview, Run and Cancel below it.

    ``edited`` is emitted when anything was chosen, also when layers came or went.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_box = ModelBox(accepts=_makes_contrasts, untrained="disabled")
        self.modality_table = ModalityTable()
        self.passport_box = PassportBox()
        self.quality_label = QLabel()
        self.quality_label.setWordWrap(True)
        self.quality_label.setTextFormat(Qt.TextFormat.PlainText)
        self.options_box = OptionsBox()
        self.preview_box = QCheckBox("Liv&e preview of the current slice")
        self.preview_box.setToolTip(
            "Synthesise the slice on the screen as soon as it is shown."
        )
        self.run_box = RunBox()
        self._lay_out()
        self.model_box.card_changed.connect(self._on_card_changed)
        self.modality_table.changed.connect(self._on_edited)
        self.options_box.changed.connect(self._on_edited)
        self._on_card_changed(self.model_box.card)

    @property
    def card(self) -> ModelCard | None:
        """The chosen model."""
        return self.model_box.card

    def reason(self) -> str:
        """Say why the choice cannot be run; "" if it can."""
        if self.card is None:
            return "No model is installed: import one with “medsynth models import”."
        table = self.modality_table
        if not any(row.layer for row in table.rows.values()):
            return "Open an image, or choose the layer of a contrast above."
        if not table.targets():
            return "Nothing to synthesise: click a chip until it says “to synthesise”."
        return self.card.why_not(tuple(table.sources()), table.targets())

    def choice(self) -> tuple[Any, ...]:
        """Give what a synthetic slice depends on; equal choices make equal slices."""
        card, options = self.card, self.options_box.options()
        sources = tuple((m, id(x)) for m, x in self.modality_table.sources().items())
        model = (card.id, card.sha256) if card else ()
        settings = (options.plane, options.device, options.precision)
        return (model, sources, self.modality_table.targets(), settings)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {
            "task": self.model_box.task,
            "model": self.card.id if self.card else "",
            "options": self.options_box.to_json(),
            "is_open": self.options_box.isExpanded(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown or damaged changes nothing."""
        options = values.get("options")
        self.options_box.set_options(options if isinstance(options, dict) else {})
        if values.get("is_open") is True:
            self.options_box.expand(animate=False)
        self.model_box.choose(
            str(values.get("model", "")), task=str(values.get("task", ""))
        )

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.model_box,
            self.modality_table,
            self.passport_box,
            self.quality_label,
            self.options_box,
        ):
            column.addWidget(part)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.preview_box)
        layout.addWidget(self.run_box)
        self.setMinimumSize(330, 360)  # a dock squeezes what has none

    def _on_card_changed(self, card: ModelCard | None) -> None:
        self.options_box.set_card(card)
        self.modality_table.set_card(card)  # says changed

    def _on_edited(self) -> None:
        table = self.modality_table
        choice = (table.sources(), table.targets())
        known = (
            [measured_quality(self.card, *choice), *expected_here(self.card, *choice)]
            if self.card
            else []
        )
        measured = "\n".join(filter(None, known))
        self.quality_label.setText(measured)
        self.quality_label.setVisible(bool(measured))
        self.run_box.set_reason(self.reason())
        self.edited.emit()


def _makes_contrasts(card: ModelCard) -> bool:
    """Tell it from a model that makes the same image better: that has its own dock."""
    return not card.is_restoration
