"""PathChart: what the blocks of a model pass on, on this slice and along all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .model_combo import ModelCombo
from .path_bars import PathBars
from .path_slices import PathSlices
from .plain import plain_label, push_button
from .run_box import RunBox

if TYPE_CHECKING:
    from napari_medsynth.explain import PathStrength

_EMPTY = "The paths appear once the model has seen this slice."


class PathChart(QWidget):
    """One model at a time: bars of all blocks, and a plot along the slices of one.

    Attributes
    ----------
    model_chosen : Signal
        Another model is to be shown.
    slice_chosen : Signal(int)
    save_clicked : Signal
    """

    model_chosen = Signal()
    slice_chosen = Signal(int)
    save_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slices: Mapping[int, Sequence[PathStrength]] = {}
        self._n_slices = 0
        self.model_combo = ModelCombo("paths")
        self.bars, self.slices = PathBars(), PathSlices()
        self.value_label = plain_label("Numbers of the bar that is pointed at")
        self.run_box = RunBox()
        self.save_button = push_button(
            "E&xport CSV\N{HORIZONTAL ELLIPSIS}",
            "Write the shares of all blocks as a table: of all slices if they are "
            "shown, else of this one.",
        )
        self._set_up()
        self.show_nothing(_EMPTY)

    @property
    def title(self) -> str:
        """The model that is to be shown; "" if there is none."""
        return self.model_combo.currentText()

    def set_titles(self, titles: Sequence[str]) -> None:
        """Offer other models."""
        self.model_combo.set_titles(titles)

    def show_strengths(self, strengths: Sequence[PathStrength]) -> None:
        """Show the bars of this slice."""
        self.bars.setAccessibleName(f"Paths through the blocks of {self.title}")
        self.bars.show()
        self.save_button.setEnabled(True)
        self.bars.show_strengths(strengths)
        self._draw_slices()

    def show_nothing(self, reason: str) -> None:
        """Show no bars, and say why."""
        self.bars.hide()
        self.bars.show_strengths(())
        self.save_button.setEnabled(bool(self._slices))
        self.value_label.setText(reason)

    def show_slices(
        self, slices: Mapping[int, Sequence[PathStrength]], n_slices: int
    ) -> None:
        """Show the plot along the slices; none hides it."""
        self._slices, self._n_slices = slices, n_slices
        self._draw_slices()

    def _set_up(self) -> None:
        run = self.run_box
        run.run_button.setText("Alon&g all slices")
        run.run_button.setToolTip(
            "Measure the paths of every slice; shows those of the chosen block."
        )
        run.cancel_button.setToolTip("Stop at once; nothing is kept.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.model_combo,
            self.bars,
            self.slices,
            self.value_label,
            run,
            self.save_button,
        ):
            column.addWidget(part)
        self.slices.hide()
        self.model_combo.currentIndexChanged.connect(self._on_model_chosen)
        self.bars.pointed.connect(self.value_label.setText)
        self.bars.block_chosen.connect(self._draw_slices)
        self.slices.pointed.connect(self.value_label.setText)
        self.slices.chosen.connect(self.slice_chosen)
        self.save_button.clicked.connect(self._on_save_clicked)

    def _draw_slices(self, *_: object) -> None:
        block = self.bars.block
        of_block = {
            index: strength
            for index, strengths in self._slices.items()
            for strength in strengths
            if strength.block == block
        }
        self.slices.setAccessibleName(f"Paths through {block}, slice by slice")
        self.slices.setVisible(bool(of_block))
        self.slices.show_slices(of_block, self._n_slices)

    def _on_model_chosen(self) -> None:
        self.model_chosen.emit()

    def _on_save_clicked(self) -> None:
        self.save_clicked.emit()
