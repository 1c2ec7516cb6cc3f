"""NumberTable: a few rows of texts that are only read, as high as it needs to be."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

_ROW_HEIGHT = 22


class NumberTable(QTableWidget):
    """Columns with a title and a tip; the first is aligned left, the others right.

    Parameters
    ----------
    name : str
        For screen readers.
    columns : sequence of (title, tip)
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[tuple[str, str]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(0, len(columns), parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(name)
        self._header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(self._header)
        self._header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._header.setStretchLastSection(True)
        rows = QHeaderView(Qt.Orientation.Vertical)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        self.setVerticalHeader(rows)
        rows.hide()
        for number, (title, tip) in enumerate(columns):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(number, item)
        self.show_rows(())

    def show_rows(
        self, rows: Sequence[Sequence[str]], tips: Sequence[str] = ()
    ) -> None:
        """Show other texts, with a tip for each row; no rows hide the table."""
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignRight if j else Qt.AlignmentFlag.AlignLeft
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(tips[i] if i < len(tips) else "")
                self.setItem(i, j, item)
        self.setFixedHeight(
            self._header.sizeHint().height() + len(rows) * _ROW_HEIGHT + 4
        )
        self.setVisible(bool(rows))

    def texts(self) -> list[list[str]]:
        """Give what is shown."""
        columns = range(self.columnCount())
        items = ([self.item(row, j) for j in columns] for row in range(self.rowCount()))
        return [[item.text() if item else "" for item in row] for row in items]
