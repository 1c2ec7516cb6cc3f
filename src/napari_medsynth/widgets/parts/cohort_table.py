"""CohortTable: the subjects, what they have, their part in training, and problems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, QSize, Qt, Signal
from qtpy.QtGui import QAction, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from .cohort_words import is_gap
from .thumbnails import dot, picture, strip

if TYPE_CHECKING:
    from napari_medsynth.training.data.report import SubjectReport
    from napari_medsynth.training.data.samples import Subject

TRAIN, HELD_OUT, LEFT_OUT, UNUSABLE = "train", "held out", "left out", "unusable"
ROLES = (TRAIN, HELD_OUT, LEFT_OUT)
_TIPS = {
    TRAIN: "The model learns from this subject.",
    HELD_OUT: "Never learnt from: measures whether the model got better.",
    LEFT_OUT: "Not used at all.",
    UNUSABLE: "Cannot be used: see the problem.",
}
_COLOURS = {
    TRAIN: "#2a9d8f",
    HELD_OUT: "#ffb000",
    LEFT_OUT: "#8a8f98",
    UNUSABLE: "#d1495b",
}
_PICTURE, _SUBJECT, _ROLE, _PROBLEM = range(4)
_SIDE = 40  # pixels of a thumbnail
_MOST_ROWS = 6  # that are seen at once


@dataclass
class CohortRow:
    """One subject: `role` as chosen, `report` once it is read."""

    subject: Subject
    role: str
    report: SubjectReport | None = None
    problems: tuple[str, ...] = field(default=())


class CohortTable(QTableWidget):
    """One row per subject. A click on a role, or Space, goes to the next one.

    ``role_picked`` is emitted after a role was chosen by hand.
    """

    role_picked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 4, parent)
        self.rows: dict[str, CohortRow] = {}
        self.setAccessibleName("Subjects")
        self.setHorizontalHeaderLabels(["", "Subject", "Role", ""])
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._set_sections()
        self.cellClicked.connect(self._on_cell_clicked)
        self.customContextMenuRequested.connect(self._on_menu_wanted)

    def set_subjects(
        self, subjects: Sequence[Subject], held_out: Collection[str]
    ) -> None:
        """Show subjects that are still to be read."""
        self.rows = {
            s.name: CohortRow(s, HELD_OUT if s.name in held_out else TRAIN)
            for s in subjects
        }
        self.clearContents()
        self.setRowCount(len(self.rows))
        for number, row in enumerate(self.rows.values()):
            for column in range(4):
                item = QTableWidgetItem()
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.setItem(number, column, item)
            self._show(number, row)
        self.updateGeometry()

    def show_report(self, report: SubjectReport) -> None:
        """Show what reading a subject brought to light."""
        row = self.rows[report.name]
        row.report, row.problems = report, tuple(report.problems)
        if report.role == UNUSABLE:
            row.role = UNUSABLE
        number = list(self.rows).index(report.name)
        if report.thumbnails:
            first = next(iter(report.thumbnails.values()))
            self._item(number, _PICTURE).setIcon(picture(first, _SIDE))
            self._item(number, _PICTURE).setToolTip(strip(report.thumbnails))
        self._show(number, row)

    def names(self, *roles: str) -> list[str]:
        """Give the subjects that have one of `roles`."""
        return [name for name, row in self.rows.items() if row.role in roles]

    def set_roles(self, roles: Mapping[str, str]) -> None:
        """Choose roles; subjects that are unknown or unusable change nothing."""
        for number, (name, row) in enumerate(self.rows.items()):
            if row.role in ROLES and roles.get(name) in ROLES:
                row.role = roles[name]
                self._show(number, row)

    def sizeHint(self) -> QSize:
        header = self.horizontalHeader()
        n_rows = min(max(self.rowCount(), 1), _MOST_ROWS)
        height = header.sizeHint().height() if header else 0
        return QSize(280, height + n_rows * self._row_height() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, self.sizeHint().height())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        keys = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event is not None and event.key() in keys:
            self._pick(self._selected(), None)
            return
        super().keyPressEvent(event)

    def _set_sections(self) -> None:
        modes = QHeaderView.ResizeMode
        if (header := self.horizontalHeader()) is not None:
            header.setMinimumSectionSize(18)
            header.setHighlightSections(False)
            for column in (_PICTURE, _ROLE, _PROBLEM):
                header.setSectionResizeMode(column, modes.ResizeToContents)
            header.setSectionResizeMode(_PICTURE, modes.Fixed)
            header.setSectionResizeMode(_SUBJECT, modes.Stretch)
            header.resizeSection(_PICTURE, _SIDE + 6)
        if (side := self.verticalHeader()) is not None:
            side.hide()
            side.setSectionResizeMode(modes.Fixed)
            side.setDefaultSectionSize(self._row_height())

    def _row_height(self) -> int:
        return max(_SIDE + 6, 3 * self.fontMetrics().height() + 4)

    def _item(self, number: int, column: int) -> QTableWidgetItem:
        item = self.item(number, column)
        if item is None:
            raise ValueError(f"no cell {number}, {column}")
        return item

    def _show(self, number: int, row: CohortRow) -> None:
        subject = self._item(number, _SUBJECT)
        subject.setText(f"{row.subject.name}\n{_about(row)}")
        subject.setToolTip(_details(row))
        role = self._item(number, _ROLE)
        role.setText(row.role)
        role.setIcon(dot(_COLOURS[row.role]))
        advice = " Click to change." if row.role in ROLES else ""
        role.setToolTip(_TIPS[row.role] + advice)
        problem = self._item(number, _PROBLEM)
        is_serious = not all(is_gap(text) for text in row.problems)
        problem.setText("\N{WARNING SIGN}" if is_serious else "")
        problem.setToolTip("\n".join(row.problems))

    def _on_cell_clicked(self, number: int, column: int) -> None:
        if column == _ROLE:
            self._pick([list(self.rows)[number]], None)

    def _on_menu_wanted(self, place: QPoint) -> None:
        view = self.viewport()
        if view is None or not self._selected():
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for role in ROLES:
            action = QAction(role, menu)
            action.setToolTip(_TIPS[role])
            menu.addAction(action)
        menu.triggered.connect(self._on_menu_triggered)
        menu.setToolTipsVisible(True)
        menu.popup(view.mapToGlobal(place))

    def _on_menu_triggered(self, action: Any) -> None:
        self._pick(self._selected(), action.text())

    def _selected(self) -> list[str]:
        names = list(self.rows)
        return [names[i] for i in sorted({x.row() for x in self.selectedIndexes()})]

    def _pick(self, names: Iterable[str], role: str | None) -> None:
        """Give `names` a role, or each the one after its own."""
        roles = {}
        for name in names:
            if self.rows[name].role in ROLES:
                position = ROLES.index(self.rows[name].role)
                roles[name] = role or ROLES[(position + 1) % len(ROLES)]
        if roles:
            self.set_roles(roles)
            self.role_picked.emit()


def _about(row: CohortRow) -> str:
    """Say what a subject has, in two lines."""
    if row.report is None:
        return "reading\N{HORIZONTAL ELLIPSIS}"
    contrasts = " ".join(row.report.contrasts) or "no contrast"
    n = row.report.n_slices
    return f"{contrasts}\n{n} slice{'s' * (n != 1)}"


def _details(row: CohortRow) -> str:
    """Tooltip of a subject: sizes, places and values of its contrasts."""
    if row.report is None:
        return row.subject.name
    lines = [row.subject.name]
    for contrast, found in row.report.contrasts.items():
        size = " \N{MULTIPLICATION SIGN} ".join(str(n) for n in found.shape)
        spacing = " \N{MULTIPLICATION SIGN} ".join(f"{mm:.3g}" for mm in found.spacing)
        lines.append(
            f"{contrast}: {size}, {spacing} mm, {found.orientation}, "
            f"values {found.low:.4g} to {found.high:.4g}, "
            f"off by {found.shift:.1f} mm and {found.turn:.1f}\N{DEGREE SIGN}"
        )
    return "\n".join(lines)
