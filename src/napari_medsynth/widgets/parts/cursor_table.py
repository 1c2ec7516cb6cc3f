"""CursorTable: position in the patient and the values of all layers, live."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication, QPalette, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.widgets._crosshair import Crosshair
from napari_medsynth.widgets._cursor import Spot, spot_under, watch_cursor
from napari_medsynth.widgets._watch import Watch

from .plain import plain_label, push_button

if TYPE_CHECKING:
    from napari import Viewer

KEY = "Shift-C"
_NOWHERE = "Move the mouse over an image."
_ROW_HEIGHT, _MOST_ROWS = 22, 9


class CursorTable(QWidget):
    """What is under the mouse: where in the patient, and the value in every layer.

    Hidden layers are listed too, greyed. `KEY` in the canvas, or the button, copies
    position and values as one line.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    changed : Signal
        A choice that is worth remembering has changed.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # without napari's proxy, which is slow: this runs at every move of the mouse
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.spot = Spot()
        self._watch = watch_cursor(self._viewer)
        self._crosshair = Crosshair(self._viewer)
        self.position_label = plain_label("Position under the mouse")
        self.note_label = plain_label("What to know of the position")
        self.table = _table()
        self.cross_box = QCheckBox("C&ross-hair")
        self.cross_box.setToolTip("Mark the same place in every cell of the grid.")
        self.copy_button = push_button(
            "Cop&y", f"Copy position and values as one line ({KEY} over the image)."
        )
        self._lay_out()
        self._show(Spot())
        self._watch.heard.connect(self.read)
        self.cross_box.toggled.connect(self._on_cross_toggled)
        self.copy_button.clicked.connect(self.copy)
        self._viewer.bind_key(KEY, self._on_key, overwrite=True)
        self.destroyed.connect(partial(_end, self._viewer, self._watch))
        self.destroyed.connect(partial(Crosshair.close, self._crosshair))

    def read(self) -> None:
        """Read the values under the mouse now, if anyone sees them."""
        if self.isVisible():
            self._show(spot_under(self._viewer))

    def copy(self) -> None:
        """Put position and values on the clipboard, as one line."""
        line = spot_under(self._viewer).line()
        clipboard = QGuiApplication.clipboard()
        if line and clipboard is not None:
            clipboard.setText(line)

    def close(self) -> bool:
        """Follow the mouse no more; again, it changes nothing."""
        _end(self._viewer, self._watch)
        self._crosshair.close()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"cross_hair": self.cross_box.isChecked()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        self.cross_box.setChecked(values.get("cross_hair") is True)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._watch.ask()
        self._on_cross_toggled(self.cross_box.isChecked())

    def _lay_out(self) -> None:
        tools = QHBoxLayout()
        tools.addWidget(self.cross_box, 1)
        tools.addWidget(self.copy_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.position_label, self.note_label, self.table):
            layout.addWidget(widget)
        layout.addLayout(tools)

    def _show(self, spot: Spot) -> None:
        self.spot = spot
        self.position_label.setText(spot.position or spot.note or _NOWHERE)
        self.note_label.setText(spot.note if spot.position else "")
        self.note_label.setVisible(bool(self.note_label.text()))
        if self.table.rowCount() != len(spot.readings):
            self._set_rows(len(spot.readings))
        grey = self.palette().color(
            QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text
        )
        plain = self.palette().color(QPalette.ColorRole.Text)
        for row, reading in enumerate(spot.readings):
            name = reading.name if reading.is_visible else f"{reading.name} (hidden)"
            for column, text in enumerate((name, reading.text)):
                item = self.table.item(row, column)
                if item is not None and item.text() != text:
                    item.setText(text)
                    item.setToolTip(text)
                    item.setForeground(plain if reading.is_visible else grey)

    def _set_rows(self, count: int) -> None:
        self.table.setRowCount(count)
        for row in range(count):
            for column in range(2):
                item = QTableWidgetItem()
                if column:
                    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(right)
                self.table.setItem(row, column, item)
        shown = min(max(count, 1), _MOST_ROWS)
        self.table.setFixedHeight(shown * _ROW_HEIGHT + 4)

    def _on_cross_toggled(self, is_on: bool) -> None:
        self._crosshair.set_shown(is_on, self.window())
        self.changed.emit()

    def _on_key(self, viewer: Any) -> None:
        self.copy()


def _table() -> QTableWidget:
    table = QTableWidget(0, 2)
    table.setAccessibleName("Values of all layers under the mouse")
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setTabKeyNavigation(False)
    table.setWordWrap(False)
    for orientation in (Qt.Orientation.Vertical, Qt.Orientation.Horizontal):
        header = QHeaderView(orientation)
        header.setDefaultSectionSize(_ROW_HEIGHT)
        if orientation is Qt.Orientation.Vertical:
            table.setVerticalHeader(header)
        else:
            table.setHorizontalHeader(header)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(1, 110)
        header.hide()
    return table


def _end(viewer: Any, watch: Watch, *_: Any) -> None:
    """Take back what the table has left in the viewer."""
    watch.close()
    viewer.bind_key(KEY, None, overwrite=True)
