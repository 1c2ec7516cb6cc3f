"""HeadChart: entropy and distance of all heads of a model; a click shows its map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.explain.methods import MapSource

from .head_grid import HeadGrid
from .model_combo import ModelCombo
from .plain import plain_label

if TYPE_CHECKING:
    from napari_medsynth.explain import HeadStatistic

_EMPTY = "The heads appear once the model has seen this slice."


class HeadChart(QWidget):
    """One model at a time, of the slice on the screen.

    Attributes
    ----------
    chosen : Signal(object)
        A head as a `MapSource`.
    model_chosen : Signal
        Another model is to be shown.
    """

    chosen = Signal(object)
    model_chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._source = MapSource()
        self.model_combo = ModelCombo("heads")
        self.grid = HeadGrid()
        self.value_label = plain_label("Numbers of the head that is pointed at")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.model_combo, self.grid, self.value_label):
            column.addWidget(part)
        self.model_combo.currentIndexChanged.connect(self._on_model_chosen)
        self.grid.pointed.connect(self._on_pointed)
        self.grid.chosen.connect(self._on_chosen)
        self.show_nothing(_EMPTY)

    @property
    def title(self) -> str:
        """The model that is to be shown; "" if there is none."""
        return self.model_combo.currentText()

    def set_titles(self, titles: Sequence[str]) -> None:
        """Offer other models."""
        self.model_combo.set_titles(titles)

    def show_heads(self, heads: Sequence[HeadStatistic]) -> None:
        """Show the heads of the chosen model."""
        self.grid.show()
        self.grid.setAccessibleName(f"Heads of {self.title} by layer")
        self.grid.show_heads(heads)
        self.mark(self._source)

    def show_nothing(self, reason: str) -> None:
        """Show no heads, and say why."""
        self.grid.hide()
        self.grid.show_heads(())
        self.value_label.setText(reason)

    def mark(self, source: MapSource) -> None:
        """Mark the head that the map shows, if it shows one head."""
        self._source = source
        if source.method == "head" and source.block:
            self.grid.mark(source.block, source.layer, source.head)
        else:
            self.grid.mark("", 0, 0)

    def _on_pointed(self, head: HeadStatistic | None) -> None:
        text = "" if head is None else sentence_of(head)
        self.value_label.setText(text or "Point at a head to read its numbers.")
        self.grid.setAccessibleDescription(text)

    def _on_chosen(self, head: HeadStatistic) -> None:
        self._on_pointed(head)
        self.chosen.emit(MapSource("head", head.block, head.layer, head.head))

    def _on_model_chosen(self) -> None:
        self.model_chosen.emit()


def sentence_of(head: HeadStatistic) -> str:
    """Say what a head does."""
    most = head.entropy / head.entropy_share if head.entropy_share else 0.0
    of = f" of {most:.1f}" if most else ""
    return (
        f"{head.block}, layer {head.layer + 1}, head {head.head + 1}: entropy "
        f"{head.entropy:.2f}{of} bits, looks {head.distance:.0f} mm away on average"
    )
