"""CohortForm: all that the Data part shows, laid out; it reads nothing."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from .cohort_options import CohortOptions
from .cohort_source import LAYERS, CohortSource
from .cohort_table import HELD_OUT, LEFT_OUT, TRAIN, UNUSABLE, CohortTable
from .cohort_words import all_problems, summary
from .plain import plain_label


class CohortForm(QWidget):
    """Source, Read button with progress, table of subjects, sentences, and options.

    Attributes
    ----------
    has_base : bool
        Whether what is trained will be compared with a base model.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = CohortSource()
        self.read_button = QPushButton("Read")
        self.bar = QProgressBar()
        self.table = CohortTable()
        self.summary_label = plain_label()
        self.problem_label = plain_label()
        self.options = CohortOptions()
        self.has_base = True
        self._lay_out()

    def show_state(self, *, is_reading: bool, why_not_read: str, problem: str) -> None:
        """Show what the table says, `problem` above the problems of subjects."""
        self.read_button.setText("Stop" if is_reading else "Read")
        self.read_button.setEnabled(is_reading or not why_not_read)
        self.bar.setVisible(is_reading)
        rows = self.table.rows
        self.table.setVisible(bool(rows))
        self.summary_label.setText(self._summary())
        self.summary_label.setVisible(bool(rows) and not is_reading)
        problems = all_problems({name: row.problems for name, row in rows.items()})
        self.problem_label.setText("\n".join(filter(None, (problem, problems))))
        self.problem_label.setVisible(bool(self.problem_label.text()))

    def _summary(self) -> str:
        n_train, n_held_out = (len(self.table.names(r)) for r in (TRAIN, HELD_OUT))
        n_other = len(self.table.names(LEFT_OUT, UNUSABLE))
        rows = self.table.rows.values()
        persons = {row.subject.person or row.subject.name for row in rows}
        is_open = self.source.kind == LAYERS and len(persons) < 2
        return summary(
            n_train, n_held_out, n_other, is_open=is_open, has_base=self.has_base
        )

    def _lay_out(self) -> None:
        self.read_button.setToolTip(
            "Look at every subject once: what there is, where it lies, what is wrong."
        )
        self.bar.setTextVisible(True)
        self.bar.setFormat("%v of %m")
        line = QHBoxLayout()
        line.addWidget(self.read_button)
        line.addWidget(self.bar, 1)
        line.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.source)
        column.addLayout(line)
        for part in (self.table, self.summary_label, self.problem_label, self.options):
            column.addWidget(part)
