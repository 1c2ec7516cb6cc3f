"""MetricsTable: one row per region, one block per synthesis, a reason for each gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_medsynth.evaluate.metric_names import METRICS, best_of, format_value

from .colours import colour_of, swatch

if TYPE_CHECKING:
    from napari_medsynth.evaluate import Measured

_ROW_HEIGHT, _LEAST, _MOST = 22, 66, 320
_GAP = "\N{EN DASH}"


class MetricsTable(QTableWidget):
    """MAE, RMSE, PSNR, SSIM, MS-SSIM and NMSE; bold is the best of several syntheses.

    Attributes
    ----------
    region_chosen : Signal(str)
        A row of another region was selected.
    """

    region_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 1 + len(METRICS), parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("Syntheses measured against the real image")
        self._set_headers()
        self.show_rows(())
        self.currentCellChanged.connect(self._on_cell_changed)

    def show_rows(self, rows: Sequence[Measured]) -> None:
        """Show other numbers."""
        self.blockSignals(True)
        self.setRowCount(0)
        self.clearSpans()
        models = list(dict.fromkeys(row.model for row in rows))
        for number, model in enumerate(models):
            self._add_title(model, colour_of(number))
            for row in rows:
                if row.model == model:
                    self._add(row, rows)
        height = self._header.sizeHint().height() + self.rowCount() * _ROW_HEIGHT + 16
        self.setFixedHeight(min(max(height, _LEAST), _MOST))
        self.blockSignals(False)

    def select_region(self, region: str) -> None:
        """Select the first row of a region, without telling."""
        self.blockSignals(True)
        for row in range(self.rowCount()):
            if self._region_of(row) == region:
                self.selectRow(row)
                break
        self.blockSignals(False)

    def _set_headers(self) -> None:
        rows = QHeaderView(Qt.Orientation.Vertical)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        self.setVerticalHeader(rows)
        rows.hide()
        self._header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(self._header)
        self._header.setMinimumSectionSize(34)
        resize = QHeaderView.ResizeMode.ResizeToContents
        self._header.setSectionResizeMode(resize)
        self._set_head(0, "Region", "Where it was measured; choose a row to plot it.")
        for column, metric in enumerate(METRICS.values(), start=1):
            better = "Higher" if metric.is_higher_better else "Lower"
            tip = f"{metric.meaning} {better} is better."
            self._set_head(column, _in_two_lines(metric.title), tip)

    def _set_head(self, column: int, title: str, tip: str) -> None:
        item = QTableWidgetItem(title)
        item.setToolTip(tip)
        self.setHorizontalHeaderItem(column, item)

    def _add_title(self, model: str, colour: str) -> None:
        number = self.rowCount()
        self.insertRow(number)
        item = QTableWidgetItem(swatch(colour), model)
        item.setToolTip(f"{model} (synthetic), in this colour in the plot")
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.setItem(number, 0, item)
        self.setSpan(number, 0, 1, self.columnCount())

    def _add(self, row: Measured, rows: Sequence[Measured]) -> None:
        number = self.rowCount()
        self.insertRow(number)
        name = QTableWidgetItem(row.region)
        name.setData(Qt.ItemDataRole.UserRole, row.region)
        name.setToolTip(f"{row.region}: {row.n_voxels:,} voxels")
        self.setItem(number, 0, name)
        for column, metric in enumerate(METRICS, start=1):
            text = format_value(metric, row.values.get(metric))
            item = QTableWidgetItem(text or _GAP)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            item.setTextAlignment(right)
            item.setToolTip(row.reasons.get(metric, ""))
            if row.model == _best(metric, row.region, rows):
                font = item.font()
                font.setBold(True)
                item.setFont(font)
                item.setToolTip(f"The best in {row.region}")
            self.setItem(number, column, item)

    def _region_of(self, row: int) -> str:
        item = self.item(row, 0)
        region = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return region or ""

    def _on_cell_changed(self, row: int, *_: int) -> None:
        if region := self._region_of(row):
            self.region_chosen.emit(region)


def _in_two_lines(title: str) -> str:
    """Write "PSNR [dB]" and "MS-SSIM" so that their columns may be narrow."""
    return title.replace(" ", "\n").replace("-", "-\n")


def _best(metric: str, region: str, rows: Sequence[Measured]) -> str:
    """Give the synthesis that is best in a region; "" if only one was measured."""
    here = (row for row in rows if row.region == region and metric in row.values)
    return best_of(metric, {row.model: row.values[metric] for row in here})
