"""DegradeBox: a worse image of one's own, and how well a model restores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.catalogue import ModelCard

from .number_table import NumberTable
from .plain import plain_label, push_button
from .restore_box import THICK

_ABOUT = (
    "Makes a worse image of the chosen one, such as the model was trained for. Run the "
    "model on it, and compare with what you had."
)
_COLUMNS = (
    ("Image", "What is compared with the original."),
    ("PSNR [dB]", "Peak signal-to-noise ratio; higher is better."),
    ("SSIM", "Structural similarity, 1 for equal images."),
    ("MAE", "Mean absolute error; lower is better."),
)
_WORDS = {
    "method": {
        "area": "mean of pixels",
        "bicubic": "bicubic, antialiased",
        "kspace": "less of k-space (MR)",
    },
    "profile": {"gaussian": "Gaussian", "box": "box"},
}
_WORD_TIPS = {
    "method": "How pixels become fewer.",
    "profile": "Shape of the thick slices.",
}


@dataclass(frozen=True)
class _Share:
    """A number of a degradation that is set in percent."""

    title: str
    lowest: int
    highest: int
    tip: str


_NOISE = _Share("Noi&se", 0, 20, "Standard deviation, in % of the brightest values.")
_SHARES = {
    "downsample": {"noise": _NOISE},
    THICK: {"noise": _NOISE},
    "low-dose": {"dose": _Share("D&ose", 5, 100, "Share of the dose of the image.")},
    "rician": {"sigma": _NOISE},
}


class DegradeBox(QWidget):
    """The form of a degradation, a button, and a table of scores.

    Signals: `make_clicked`.
    """

    make_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._card: ModelCard | None = None
        about = plain_label()
        about.setText(_ABOUT)
        self.factor_spin = QSpinBox()
        self.factor_spin.setRange(2, 10)
        self.factor_spin.setSuffix(" x")
        self.word_combo = QComboBox()
        self.word_label = QLabel()
        self.word_label.setBuddy(self.word_combo)
        self.share_slider = QSlider(Qt.Orientation.Horizontal)
        self.share_spin = QSpinBox()
        self.share_spin.setSuffix(" %")
        self.share_label = QLabel()
        self.share_label.setBuddy(self.share_spin)
        self.make_button = push_button(
            "Ma&ke a test image", "Adds it as a layer and chooses it."
        )
        self.table = NumberTable("Scores against the original", _COLUMNS)
        self.note_label = plain_label("How the scores were measured")
        self._lay_out(about)
        self.share_slider.valueChanged.connect(self.share_spin.setValue)
        self.share_spin.valueChanged.connect(self.share_slider.setValue)
        self.make_button.clicked.connect(self.make_clicked)
        self.set_card(None)
        self.show_scores(())

    @property
    def kind(self) -> str:
        """Kind of the model's degradation; "" without a model."""
        return str(self._card.degradation.get("kind", "")) if self._card else ""

    def spec(self) -> dict[str, Any]:
        """Give the degradation that is set: that of the model, with chosen numbers."""
        if self._card is None:
            return {}
        spec = dict(self._card.degradation)
        for name in _SHARES[self.kind]:
            spec[name] = self.share_spin.value() / 100
        if "factor" in spec:
            spec["factor"] = [n if n == 1 else self._factor() for n in spec["factor"]]
        if self.word_combo.count():
            spec[self._word()] = self.word_combo.currentData()
        return spec

    def set_card(self, card: ModelCard | None) -> None:
        """Show the degradation of another model, with its middle numbers."""
        known = card is not None and card.degradation.get("kind") in _SHARES
        self._card = card if known else None
        spec = dict(self._card.degradation) if self._card else {}
        self._show_factor(spec)
        self._show_words(spec)
        for name, share in _SHARES.get(self.kind, {}).items():
            self._show_share(name, share, spec)
        self._form.setRowVisible(self._shares, bool(spec))
        self.set_reason("" if spec else "Choose a model first.")

    def set_reason(self, reason: str) -> None:
        """Disable the button and say why in its tip; "" enables it."""
        self.make_button.setEnabled(not reason)
        self.make_button.setToolTip(reason or "Adds it as a layer and chooses it.")

    def show_scores(self, rows: Sequence[Sequence[str]], note: str = "") -> None:
        """Show the scores of images, one row each; none hides the table."""
        self.table.show_rows(rows)
        self.note_label.setText(note)
        self.note_label.setVisible(bool(note))

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"kind": self.kind, **self.spec()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values of the same kind; all else changes nothing."""
        if not self.kind or values.get("kind") != self.kind:
            return
        for name in _SHARES[self.kind]:
            if isinstance(values.get(name), int | float):
                self.share_spin.setValue(round(100 * values[name]))
        index = self.word_combo.findData(values.get(self._word()))
        self.word_combo.setCurrentIndex(max(index, 0))

    def _factor(self) -> int:
        return int(self.factor_spin.value())

    def _word(self) -> str:
        return "profile" if self.kind == THICK else "method"

    def _show_factor(self, spec: Mapping[str, Any]) -> None:
        factor = max(spec.get("factor", (1,)))
        is_free = self._card is not None and self._card.scale == 1
        self._form.setRowVisible(self.factor_spin, factor > 1)
        self.factor_spin.setEnabled(is_free)
        self.factor_spin.setValue(factor)
        self.factor_spin.setToolTip(
            "How many times coarser the image becomes."
            if is_free
            else "This model knows one factor only."
        )

    def _show_words(self, spec: Mapping[str, Any]) -> None:
        name = self._word()
        has_any = self.kind in ("downsample", THICK)
        with QSignalBlocker(self.word_combo):
            self.word_combo.clear()
            for word, text in (_WORDS[name] if has_any else {}).items():
                self.word_combo.addItem(text, word)
            index = self.word_combo.findData(spec.get(name))
            self.word_combo.setCurrentIndex(max(index, 0))
        self.word_combo.setToolTip(_WORD_TIPS[name])
        self.word_label.setText("&Profile" if name == "profile" else "Met&hod")
        self._form.setRowVisible(self.word_combo, has_any)

    def _show_share(self, name: str, share: _Share, spec: Mapping[str, Any]) -> None:
        value = spec.get(name, 0.0)
        middle = sum(value) / 2 if isinstance(value, list | tuple) else float(value)
        for widget in (self.share_slider, self.share_spin):
            widget.setRange(share.lowest, share.highest)
            widget.setToolTip(share.tip)
            widget.setAccessibleName(share.title.replace("&", ""))
        self.share_label.setText(share.title)
        self.share_spin.setValue(round(100 * middle))

    def _lay_out(self, about: QLabel) -> None:
        self._shares = QWidget()
        line = QHBoxLayout(self._shares)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.share_slider, 1)
        line.addWidget(self.share_spin)
        fields = QWidget()
        self._form = QFormLayout(fields)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.addRow("Coa&rser by", self.factor_spin)
        self._form.addRow(self.word_label, self.word_combo)
        self._form.addRow(self.share_label, self._shares)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (about, fields, self.make_button, self.table, self.note_label):
            column.addWidget(part)
