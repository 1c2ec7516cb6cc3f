"""SelfTestTable: what a model is worth here, by what it is shown and what it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_medsynth.trust.site import expected_of

if TYPE_CHECKING:
    from napari_medsynth.trust.site import SelfTest

_COLUMNS = {
    "Target": "What was hidden, and made again.",
    "Sources": "What the model was shown.",
    "PSNR": "Mean over the subjects [dB], and standard deviation between them. Higher "
    "is better.",
    "SSIM": "Mean over the subjects. Higher is better.",
    "MAE": "Mean over the subjects, as a share of the range. Lower is better.",
    "n": "Number of subjects.",
}
_ROW_HEIGHT, _LEAST, _MOST = 22, 66, 300


class SelfTestRow(NamedTuple):
    """Numbers of one target made of some sources; see `trust.site.Expected`."""

    target: str
    sources: tuple[str, ...]
    psnr: float
    spread: float | None
    ssim: float
    mae: float
    n_subjects: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells."""
        psnr = f"{self.psnr:.1f}"
        if self.spread is not None:
            psnr += f" \N{PLUS-MINUS SIGN} {self.spread:.1f}"
        numbers = (psnr, f"{self.ssim:.3f}", f"{self.mae:.3f}", str(self.n_subjects))
        return (self.target, ", ".join(self.sources), *numbers)


def rows_of(test: SelfTest) -> list[SelfTestRow]:
    """Give one row per target and sources, the better ones of a target first."""
    trials = dict.fromkeys((row.target, row.sources) for row in test.rows)
    rows = []
    for target, sources in trials:
        if found := expected_of(test, sources, target):
            numbers = (found.psnr, found.spread, found.ssim, found.mae)
            rows.append(SelfTestRow(target, sources, *numbers, found.n_subjects))
    order = list(dict.fromkeys(target for target, _ in trials))
    return sorted(rows, key=lambda row: (order.index(row.target), -row.psnr))


def summary_of(test: SelfTest) -> str:
    """Say in one line what was measured."""
    n = test.n_subjects
    who = "1 subject" if n == 1 else f"{n} subjects"
    return f"Measured here on {who}, last on {test.date}."


class SelfTestTable(QTableWidget):
    """One row per target and sources."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("What the model is worth at this site")
        rows = QHeaderView(Qt.Orientation.Vertical)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        self.setVerticalHeader(rows)
        rows.hide()
        self._header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(self._header)
        self._header.setMinimumSectionSize(24)
        self._header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column, (title, tip) in enumerate(_COLUMNS.items()):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)

    def show_test(self, test: SelfTest | None) -> None:
        """Show other numbers; None for none."""
        rows = rows_of(test) if test is not None else []
        self.setRowCount(len(rows))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for number, row in enumerate(rows):
            for column, text in enumerate(row.texts):
                item = QTableWidgetItem(text)
                if column > 1:
                    item.setTextAlignment(right)
                self.setItem(number, column, item)
        height = self._header.sizeHint().height() + len(rows) * _ROW_HEIGHT + 16
        self.setFixedHeight(min(max(height, _LEAST), _MOST))
        self.setVisible(bool(rows))
