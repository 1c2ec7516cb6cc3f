"""HonestyBox: is the map that is shown honest? Verdicts, curves, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.widgets._honesty_jobs import Step, Verdict

from .deletion_plot import DeletionPlot
from .number_table import NumberTable
from .plain import plain_label
from .run_box import RunBox

_COLUMNS = (
    ("Model", "Whose map was tested."),
    ("Verdict", "Honest if it passes both tests."),
    (
        "Untrained",
        "Rank correlation of the map with that of shuffled weights, inside the "
        "subject. Near 1: the map shows the images or the distance, not what was "
        "learned.",
    ),
    (
        "Deletion",
        "How much more the synthesis changes without the most than without the least "
        "attended regions, over random ones. Honest if the same map moved elsewhere "
        "parts them less.",
    ),
)
_NOTHING = "Make maps first: tick a model and open its images."
_NEW_MAP = "Another map is shown now: it has not been tested."


class HonestyBox(QWidget):
    """A button, progress and cancel, a row per model, and the curves of one.

    Attributes
    ----------
    run_clicked, cancel_clicked : Signal
    """

    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._verdicts: list[Verdict] = []
        self.run_box = RunBox()
        self.table = NumberTable("Verdicts on the maps", _COLUMNS)
        self.plot = DeletionPlot()
        self.value_label = plain_label("Numbers of the curves")
        self.reason_label = plain_label("Why a map is not honest")
        self._set_up()
        self.set_ready(False)
        self.show_verdicts(())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What is shown."""
        return tuple(self._verdicts)

    def set_ready(self, is_ready: bool) -> None:
        """Take note whether there is a map to test."""
        self.run_box.set_reason("" if is_ready else _NOTHING)

    def show_running(self, step: Step) -> None:
        """Show how far the test is."""
        run = self.run_box
        if not run.is_running:
            run.start(step.text, step.total)
        run.bar.setRange(0, step.total)
        run.bar.setValue(step.done)
        run.say(step.text)

    def show_ended(self, text: str) -> None:
        """Show what came of the test."""
        self.run_box.end(text)

    def show_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Show the verdicts; the first model that fails comes to the front."""
        self._verdicts = list(verdicts)
        self.table.show_rows(
            [row_of(one) for one in verdicts], [one.reason for one in verdicts]
        )
        failed = [i for i, one in enumerate(verdicts) if one.is_passed is False]
        if verdicts:
            self.table.selectRow(failed[0] if failed else 0)
        self._show_row()

    def forget(self) -> None:
        """The verdicts were on another map."""
        self.show_verdicts(())
        self.run_box.say(_NEW_MAP)

    def _set_up(self) -> None:
        run = self.run_box
        run.run_button.setText("&Is this map honest?")
        run.run_button.setToolTip(
            "Shuffle the weights of each model and delete regions of its images: does "
            "the map tell what was learned, and what is used? A map that fails is "
            "greyed."
        )
        run.cancel_button.setToolTip("Stop; verdicts that are known stay.")
        run.bar.setToolTip("Steps that are done.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (run, self.table, self.plot, self.value_label, self.reason_label):
            column.addWidget(part)
        run.run_clicked.connect(self.run_clicked)
        run.cancel_clicked.connect(self.cancel_clicked)
        self.table.itemSelectionChanged.connect(self._show_row)
        self.plot.pointed.connect(self.value_label.setText)

    def _show_row(self) -> None:
        row = self.table.currentRow()
        one = self._verdicts[row] if 0 <= row < len(self._verdicts) else None
        honesty = None if one is None else one.honesty
        for part in (self.plot, self.value_label):
            part.setVisible(honesty is not None)
        self.reason_label.setVisible(one is not None and bool(one.reason))
        if one is None:
            return
        self.reason_label.setText(f"{one.title}: {one.reason}" if one.reason else "")
        if honesty is not None:
            curves = {
                "most attended": honesty.most,
                "random": honesty.random,
                "least attended": honesty.least,
            }
            self.plot.setAccessibleName(f"Deletion curves of {one.title}")
            self.plot.show_curves(one.fractions, curves)


def row_of(verdict: Verdict) -> tuple[str, str, str, str]:
    """Give a row of the table."""
    honesty = verdict.honesty
    if honesty is None:
        return (verdict.title, "not tested", "\N{EN DASH}", "\N{EN DASH}")
    return (
        verdict.title,
        "honest" if honesty.passed else "not honest",
        f"{honesty.similarity_to_random:.2f}",
        f"{honesty.faithfulness:+.2f}",
    )
