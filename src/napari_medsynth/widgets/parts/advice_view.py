"""AdviceView: which scan that is missing would help most, and who says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import MedSynthError
from napari_medsynth.trust.advice import advise
from napari_medsynth.trust.site import SelfTest, load_self_test
from napari_medsynth.widgets._trust_words import (
    advice_sentence,
    basis_sentences,
    expected_sentences,
)

from .number_table import NumberTable
from .plain import plain_label

_COLUMNS = (
    ("Scan", "The scan that is missing, and what would be made of it too."),
    ("PSNR [dB]", "By how much PSNR was better with this scan; below 0: worse."),
    ("SSIM", "By how much SSIM was better with this scan; below 0: worse."),
)


class AdviceView(QWidget):
    """A table of gains, the best one in words, and what to expect as it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.best_label = plain_label("Which missing scan would help most")
        self.table = NumberTable("What each missing scan would bring", _COLUMNS)
        self.basis_label = plain_label("On what the numbers were measured")
        self.expected_label = plain_label("What to expect at this site")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.best_label,
            self.table,
            self.basis_label,
            self.expected_label,
        ):
            column.addWidget(part)
        self.show_choice(None, (), ())

    def show_choice(
        self,
        card: ModelCard | None,
        sources: Collection[str],
        targets: Collection[str],
    ) -> None:
        """Advise on what is made of these sources by a model."""
        wanted = [t for t in targets if card is not None and t in card.outputs]
        if card is None or not wanted or not sources:
            self._show([], [], [])
            return
        try:
            site = load_self_test(card)
        except MedSynthError as err:
            self._show([str(err)], [], [])
            return
        self._advise(card, sources, wanted, site)

    def _advise(
        self,
        card: ModelCard,
        sources: Collection[str],
        targets: Collection[str],
        site: SelfTest | None,
    ) -> None:
        known = {t: advise(card, sources, t, site) for t in targets}
        best = [advice_sentence(card, sources, t, known[t]) for t in targets]
        listed = [(f"{one.missing} for {t}", one) for t in targets for one in known[t]]
        rows = [
            (name, f"{one.gain_db:+.1f}", f"{one.ssim_gain:+.3f}")
            for name, one in listed
        ]
        self._show(
            list(dict.fromkeys(best)),
            rows,
            basis_sentences(listed),
            expected_sentences(card, sources, targets, site),
        )

    def _show(
        self,
        best: list[str],
        rows: Sequence[Sequence[str]],
        bases: list[str],
        expected: Collection[str] = (),
    ) -> None:
        self.table.show_rows(rows)
        texts = {
            self.best_label: best,
            self.basis_label: bases,
            self.expected_label: list(expected),
        }
        for label, lines in texts.items():
            label.setText("\n".join(lines))
            label.setVisible(bool(lines))
