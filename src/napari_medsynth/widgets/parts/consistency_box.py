"""ConsistencyBox: the scans made back from a synthesis, and where they disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_medsynth.errors import MedSynthError
from napari_medsynth.io import Study
from napari_medsynth.widgets._layers import like, volume_from_layer
from napari_medsynth.widgets._request import Request
from napari_medsynth.widgets._roles import Role, Shown, shown_layers
from napari_medsynth.widgets._trust_jobs import Checked, check
from napari_medsynth.widgets._trust_layers import add_map
from napari_medsynth.widgets._trust_words import agreement_rows, consistency_sentences
from napari_medsynth.widgets._turns import Turns
from napari_medsynth.widgets._watch import Watch
from napari_medsynth.widgets._work import Work
from napari_medsynth.widgets._worker import tell_error

from .number_table import NumberTable
from .plain import plain_label
from .run_box import RunBox

if TYPE_CHECKING:
    from napari import Viewer

_CHANGES = ("inserted", "removed", "reordered", "name", "metadata")
_NO_SYNTHESIS = "Make a contrast with the Synthesize dock first, or open a synthesis."
_EXTENTS = {"all": "all slices", "one": "this slice"}
_COLUMNS = (
    ("Scan", "Made back from the synthesis alone, and compared with the real one."),
    ("PSNR [dB]", "Higher is better."),
    ("SSIM", "Higher is better; 1 is equal."),
    ("MAE", "Mean difference as a share of the range; lower is better."),
    (
        "Usual PSNR",
        "What the model reaches when it makes this scan of a real image of the "
        "contrast; only what is clearly worse speaks against the synthesis.",
    ),
)


class ConsistencyBox(QWidget):
    """Choose a synthesis, make the scans back from it, see numbers and maps.

    Parameters
    ----------
    viewer : Viewer
    get_request : callable
        Gives the real scans and the model, or None.

    Attributes
    ----------
    changed : Signal
        A choice that is worth remembering has changed.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: Viewer,
        get_request: Callable[[], Request | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._get_request = get_request
        self._reason = ""
        self._syntheses: list[Shown] = []
        self.layer_combo, self.extent_combo = QComboBox(), QComboBox()
        self.run_box = RunBox()
        self.table = NumberTable("How far the scans agree", _COLUMNS)
        self.words_label = plain_label("What the numbers mean")
        self._set_up()
        self._work = Work()
        self._turns = Turns(self)
        self._layer_watch = Watch(self._viewer.layers.events, only=_CHANGES)
        self._connect()
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether scans are made back, or layers wait for their turn."""
        return self._work.is_busy or self._turns.is_busy

    def set_reason(self, reason: str) -> None:
        """Take note of another choice, and why it cannot be run; "" if it can."""
        self._reason = reason
        self.run_box.set_reason(reason or ("" if self._syntheses else _NO_SYNTHESIS))

    def refresh(self) -> None:
        """Offer the syntheses that are open; what is chosen stays if it can."""
        shown = shown_layers(self._viewer.layers)
        self._syntheses = [one for one in shown if one.role is Role.SYNTHESIS]
        chosen = self.layer_combo.currentText()
        with QSignalBlocker(self.layer_combo):
            self.layer_combo.clear()
            self.layer_combo.addItems([one.layer.name for one in self._syntheses])
            self.layer_combo.setCurrentIndex(
                max(self.layer_combo.findText(chosen), 0 if self._syntheses else -1)
            )
        self.set_reason(self._reason)

    def run(self) -> None:
        """Make the scans back from the chosen synthesis."""
        index = self.layer_combo.currentIndex()
        if self._work.is_busy or not 0 <= index < len(self._syntheses):
            return
        request = self._get_request()
        if request is None:
            return
        layer = self._syntheses[index].layer
        try:
            synthesis, place = volume_from_layer(layer), like(layer)
        except MedSynthError as err:
            self.run_box.say(tell_error(err))
            return
        back = Request(
            Study({synthesis.modality or "synthesis": synthesis}),
            request.card,
            request.study.modalities,
            place,
            {},
            request.options,
        )
        is_one = self.extent_combo.currentData() == "one"
        where = back.index_of(self._viewer.dims.point) if is_one else None
        n_slices = 1 if is_one else synthesis.shape[back.axis]
        self.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", n_slices)
        self._work.start(check, request, synthesis, place, where)

    def cancel(self) -> None:
        """Stop at once; earlier numbers stay."""
        if self._work.is_busy:
            self._work.abandon()
            self.run_box.end("Cancelled.")

    def close(self) -> bool:
        """Stop all work and follow the viewer no more; again, it changes nothing."""
        for end in self._ends:
            end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"extent": self.extent_combo.currentData()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        index = self.extent_combo.findData(values.get("extent"))
        if index >= 0:
            self.extent_combo.setCurrentIndex(index)

    def _set_up(self) -> None:
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.layer_combo.setSizeAdjustPolicy(policy)
        self.layer_combo.setMinimumContentsLength(12)
        self.layer_combo.setToolTip("Synthetic image that the scans are made back of.")
        for extent, title in _EXTENTS.items():
            self.extent_combo.addItem(title, extent)
        self.extent_combo.setToolTip("How much of it to look at.")
        run = self.run_box
        run.run_button.setText("Ma&ke the scans back")
        run.run_button.setToolTip(
            "Make the scans back from the synthesis alone; where they disagree with "
            "the real ones becomes a layer per scan."
        )
        run.cancel_button.setToolTip("Stop at once; nothing is kept (Esc).")
        form = QFormLayout()
        form.addRow("S&ynthesis", self.layer_combo)
        form.addRow("Ran&ge", self.extent_combo)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        for part in (run, self.table, self.words_label):
            column.addWidget(part)
        self.words_label.hide()

    def _connect(self) -> None:
        self.run_box.run_clicked.connect(self.run)
        self.run_box.cancel_clicked.connect(self.cancel)
        self.extent_combo.currentIndexChanged.connect(self.changed)
        self._layer_watch.heard.connect(self.refresh)
        self._work.progressed.connect(self._on_progressed)
        self._work.done.connect(self._on_done)
        self._work.failed.connect(self.run_box.end)
        self._ends = [
            partial(Work.abandon, self._work),
            partial(Watch.close, self._layer_watch),
        ]
        for end in self._ends:
            self.destroyed.connect(end)

    def _on_progressed(self, step: tuple[int, int]) -> None:
        self.run_box.advance(*step)

    def _on_done(self, checked: Checked) -> None:
        found = checked.consistency
        self.table.show_rows(agreement_rows(found))
        self.words_label.setText("\n".join(consistency_sentences(found)))
        self.words_label.show()
        self.run_box.end("Where they disagree stays as layers: orange is too bright.")
        self._turns.add(
            partial(add_map, self._viewer, map_, is_visible=number == 0)
            for number, map_ in enumerate(checked.maps)
        )
