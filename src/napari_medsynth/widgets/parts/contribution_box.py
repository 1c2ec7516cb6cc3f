"""ContributionBox: what each scan contributes to the slice on the screen, or to all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.widgets._session import Session
from napari_medsynth.widgets._trust_jobs import Contributed, contribute, save_text
from napari_medsynth.widgets._trust_latest import Latest
from napari_medsynth.widgets._trust_layers import SliceMaps, add_map
from napari_medsynth.widgets._trust_words import (
    contribution_csv,
    overall_sentence,
    remarks_on,
    shares_of,
    title_of,
)
from napari_medsynth.widgets._turns import Turns, single_shot
from napari_medsynth.widgets._watch import Watch
from napari_medsynth.widgets._work import Work

from .contribution_form import ContributionForm

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.trust.one_slice import Tally
    from napari_medsynth.widgets._request import Request

SETTLE = 150  # ms that the slider must rest


class ContributionBox(QWidget):
    """Live bars of the slice on the screen, maps, all slices, and the numbers as CSV.

    Parameters
    ----------
    viewer : Viewer
    get_request : callable
        Gives what the model is run on, the same object for the same choice; None if it
        cannot be run.
    session : Session, optional
        Where prepared studies and networks are kept; shared with other boxes.

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
        session: Session | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._get_request = get_request
        self._session = session or Session()
        self._reason: str | None = None  # nothing runs before a choice was told
        self._request: Request | None = None
        self._index = -1
        self._tallies: dict[int, Tally] = {}
        self._overall: Tally | None = None
        self._latest: Contributed | None = None  # the slice whose maps are at hand
        self._notes: tuple[str, ...] = ()
        self.form = ContributionForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self._live, self._all, self._saving = Latest(), Work(), Work()
        self._maps = SliceMaps(viewer)
        self._turns = Turns(self)
        self._slider_watch = Watch(self._viewer.dims.events.current_step)
        self._settle_timer = single_shot(self, SETTLE, self.follow)
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether something is computed, saved, or on its way to the screen."""
        waits = self._settle_timer.isActive() or self._turns.is_busy
        works = (self._live, self._all, self._saving, self._maps)
        return waits or any(work.is_busy for work in works)

    def set_reason(self, reason: str) -> None:
        """Take note of another choice, and why it cannot be run; "" if it can."""
        self._reason = reason
        self.form.run_box.set_reason(reason)
        self.form.map_button.setEnabled(not reason)
        if reason:
            self._live.stop()
            self._show_tally(None)
            self._say_slice("")
        else:
            self._settle_timer.start()

    def follow(self) -> None:
        """Show the numbers of the slice on the screen; compute them if need be."""
        if self._reason != "" or not self.isVisible() or self._all.is_busy:
            return
        request = self._current_request()
        if request is None:
            return
        self._index = request.index_of(self._viewer.dims.point)
        known = self._tallies.get(self._index)
        self._show_tally(known)
        has_maps = self._latest is not None and self._latest.index == self._index
        is_missing = self.form.map_button.isChecked() and not has_maps
        if (known is None and self.form.live_box.isChecked()) or is_missing:
            if known is None:
                self._say_slice(f"{title_of(request, self._index)}: asking the model")
            self._live.ask(contribute, self._session, request, self._index)
        else:
            self._live.stop()

    def all_slices(self) -> None:
        """Find out for all slices; the maps become layers that stay."""
        request = None if self._reason else self._current_request()
        if request is None or self._all.is_busy:
            return
        self._live.stop()
        n_slices = request.reference.shape[request.axis]
        self.form.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", n_slices)
        self._all.start(contribute, self._session, request, None)

    def cancel(self) -> None:
        """Stop all slices at once."""
        if self._all.is_busy:
            self._all.abandon()
            self.form.run_box.end("Cancelled.")
            self.follow()

    def save_csv(self, path: Path) -> None:
        """Write the numbers of all known slices to `path`, in a thread."""
        if self._request is not None:
            text = contribution_csv(self._request, self._tallies, self._overall)
            self._saving.start(save_text, path, text)

    def close(self) -> bool:
        """Stop all work and follow the viewer no more; again, it changes nothing."""
        for end in self._ends:
            end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return self.form.to_json()

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        self.form.set_from_json(values)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._settle_timer.start()

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._live.stop()

    def _connect(self) -> None:
        form = self.form
        form.live_box.toggled.connect(self._on_choice)
        form.kind_combo.currentIndexChanged.connect(self._on_kind_chosen)
        form.map_button.toggled.connect(self._on_maps_toggled)
        form.run_box.run_clicked.connect(self.all_slices)
        form.run_box.cancel_clicked.connect(self.cancel)
        form.csv_button.clicked.connect(self._on_csv_clicked)
        self._slider_watch.heard.connect(self._settle_timer.start)
        self._live.done.connect(self._on_slice_done)
        self._live.failed.connect(self._on_slice_failed)
        self._all.progressed.connect(self._on_progressed)
        self._all.done.connect(self._on_all_done)
        self._all.failed.connect(form.run_box.end)
        self._saving.done.connect(self._on_saved)
        self._saving.failed.connect(form.run_box.say)
        self._ends = [
            partial(Latest.abandon, self._live),
            partial(Work.abandon, self._all),
            partial(Work.abandon, self._saving),
            partial(SliceMaps.abandon, self._maps),
            partial(Watch.close, self._slider_watch),
        ]
        for end in self._ends:
            self.destroyed.connect(end)

    def _current_request(self) -> Request | None:
        """Give what the model is run on; forget all that belongs to another choice."""
        request = self._get_request()
        if request is not self._request:
            self._request = request
            self._tallies, self._overall, self._latest = {}, None, None
            self._maps.hide()
            self.form.csv_button.setEnabled(False)
            self.form.overall_label.hide()
            if self._all.is_busy:
                self._all.abandon()
                self.form.run_box.end("Cancelled: something else was chosen.")
            if request is not None:
                self.form.bars.show_pairs(request.targets, request.study.modalities)
        return request

    def _say_slice(self, sentence: str) -> None:
        self.form.slice_label.setText(sentence)
        self.form.slice_label.setVisible(bool(sentence))

    def _show_tally(self, tally: Tally | None) -> None:
        form = self.form
        form.bars.setEnabled(tally is not None)
        remarks: list[str] = []
        if tally is not None:
            form.bars.show_shares(shares_of(tally))
            self._say_slice(title_of(self._request, self._index))
            remarks = remarks_on(tally, self._notes)
        elif not form.live_box.isChecked():
            self._say_slice("")
        form.remark_label.setText("\n".join(remarks))
        form.remark_label.setVisible(bool(remarks))

    def _on_choice(self) -> None:
        self._settle_timer.start()
        self.changed.emit()

    def _on_kind_chosen(self) -> None:
        self._maps.hide()  # other values, other names
        self._show_maps()
        self.changed.emit()

    def _on_maps_toggled(self, is_on: bool) -> None:
        self.form.map_button.setText("&Hide maps" if is_on else "&Show maps")
        if is_on:
            self.follow()
            self._show_maps()
        else:
            self._maps.hide()

    def _show_maps(self) -> None:
        found = self._latest
        if found is None or not self.form.map_button.isChecked():
            return
        tally, kind = found.tally, self.form.kind
        values = tally.left_out if kind == "change" else tally.shares
        target, of_source = next(iter(values.items()))
        first = (target, max(of_source, key=of_source.__getitem__))
        self._maps.show(found.maps[kind], first)

    def _on_slice_done(self, found: Contributed) -> None:
        if found.request is not self._request or found.index is None:
            return
        self._tallies.update(found.by_slice)
        self._notes = found.notes
        self.form.csv_button.setEnabled(True)
        if found.index == self._index:
            self._latest = found
            self._show_tally(found.tally)
            self._show_maps()

    def _on_slice_failed(self, sentence: str) -> None:
        self._say_slice("")
        self.form.remark_label.setText(sentence)
        self.form.remark_label.show()

    def _on_progressed(self, step: tuple[int, int]) -> None:
        self.form.run_box.advance(*step)

    def _on_all_done(self, found: Contributed) -> None:
        self._tallies.update(found.by_slice)
        self._overall, self._notes = found.tally, found.notes
        form = self.form
        form.csv_button.setEnabled(True)
        form.overall_label.setText(overall_sentence(found.tally, len(found.by_slice)))
        form.overall_label.show()
        form.run_box.end("The maps of all slices stay as layers.")
        maps = found.maps[form.kind]
        if form.map_button.isChecked():  # one picture at a time
            form.map_button.setChecked(False)
        self._turns.add(
            partial(add_map, self._viewer, map_, is_visible=number == 0)
            for number, map_ in enumerate(maps.values())
        )
        self.follow()

    def _on_csv_clicked(self) -> None:
        if path := self.form.ask_path():
            self.save_csv(path)

    def _on_saved(self, path: Path) -> None:
        self.form.run_box.say(f"Saved {path.name}.")
