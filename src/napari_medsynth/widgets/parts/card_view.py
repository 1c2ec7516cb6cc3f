"""CardView: what a model was trained on, how good it is, and what it is not for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from typing import Any

from qtpy.QtWidgets import QTextBrowser, QWidget

from napari_medsynth.catalogue import ModelCard

_COLUMNS = (
    ("data", "Data", ""),
    ("available", "From", ""),
    ("target", "To", ""),
    ("psnr", "PSNR [dB]", ".1f"),
    ("ssim", "SSIM", ".3f"),
    ("mae", "MAE", ".3f"),
    ("baseline_psnr", "Naive PSNR", ".1f"),
    ("base_psnr", "Base's PSNR", ".1f"),
)
_MIN_HEIGHT = 160
_LINK = "#4a9be8"  # readable on dark and on light themes


class CardView(QTextBrowser):
    """A model card as a short page; texts of third parties are shown as plain text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenExternalLinks(True)
        self.setMinimumHeight(_MIN_HEIGHT)
        self.setMaximumHeight(260)
        self.setTabChangesFocus(True)
        self.setAccessibleName("About the model")
        self.setToolTip("What the model was trained on and how well it does.")

    def set_card(self, card: ModelCard | None) -> None:
        """Show `card`."""
        self.setHtml(card_html(card) if card else "<i>No model.</i>")


def card_html(card: ModelCard) -> str:
    """Write a card as HTML; every text in it is escaped."""
    facts = {
        "Makes": _arrow(card),
        "Trained on": card.training_data,
        "Not for": card.limits,
        "Size": _size(card),
        "Decided here": " ".join(card.choices),
        "Licence": card.licence,
        "Reference": card.reference,
        "Identifier": card.id + (f" ({card.sha256[:12]})" if card.sha256 else ""),
    }
    lines = [
        f"<p style='margin:2px 0'><b>{label}:</b> {_linked(text)}</p>"
        for label, text in facts.items()
        if text
    ]
    return f"<b>{escape(card.title)}</b>{''.join(lines)}{_quality_table(card)}"


def measured_quality(
    card: ModelCard, sources: Collection[str], targets: Collection[str]
) -> str:
    """Say what was measured for exactly this choice; "" if nothing was."""
    found = [
        f"{row.get('target')}: PSNR {_number(row.get('psnr'), '.1f')} dB, "
        f"SSIM {_number(row.get('ssim'), '.2f')} ({row.get('data', '?')})"
        for row in card.quality
        if set(_available(row)) == set(sources) and row.get("target") in targets
    ]
    return "\n".join(["Measured with these sources:", *found]) if found else ""


def _quality_table(card: ModelCard) -> str:
    """Write the measured quality, one row per measurement."""
    if not card.quality:
        return "<p style='margin:2px 0'><b>Quality:</b> not measured</p>"
    used = [
        c for c in _COLUMNS if any(row.get(c[0]) is not None for row in card.quality)
    ]
    head = "".join(f"<th align='left'>{title}</th>" for _, title, _ in used)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row, *column)}</td>" for column in used) + "</tr>"
        for row in card.quality
    )
    return f"<table cellspacing='6'><tr>{head}</tr>{body}</table>"


def _cell(row: Mapping[str, Any], key: str, title: str, form: str) -> str:
    if key == "available":
        return escape("+".join(_available(row)))
    return _number(row.get(key), form) if form else escape(str(row.get(key, "")))


def _available(row: Mapping[str, Any]) -> list[str]:
    """Give the sources of a measurement, however the card spells them."""
    value = row.get("available", ())
    if isinstance(value, str):
        value = value.replace(",", "+").split("+")
    return [str(name).strip() for name in value]


def _number(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "?"


def _arrow(card: ModelCard) -> str:
    if card.is_unified:
        return f"any missing one of {', '.join(card.inputs)} from the others"
    return f"{', '.join(card.outputs)} from {', '.join(card.inputs)}"


def _size(card: ModelCard) -> str:
    if not card.parameters:
        return ""
    return f"{card.parameters / 1e6:.1f} million parameters, {', '.join(card.planes)}"


def _linked(text: str) -> str:
    """Escape `text`; an address in it becomes a link."""
    return " ".join(_linked_word(word) for word in text.split())


def _linked_word(word: str) -> str:
    address = word.strip("().,")
    if not address.startswith("https://"):
        return escape(word)
    return f"<a style='color:{_LINK}' href='{escape(address)}'>{escape(word)}</a>"
