"""Attention: where did the models look to paint this? Side by side, with a click."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget

from napari_medsynth.errors import MedSynthError
from napari_medsynth.explain.methods import MapSource

from ._attention_ask import CURRENT, Ask, ask_along
from ._attention_charts import AttentionCharts
from ._attention_form import AttentionForm
from ._attention_jobs import Alike, Failed, Job, Picture, Recorded
from ._attention_pins import Asks
from ._attention_regions import ask_of_layer, is_region
from ._attention_view import AttentionView
from ._roles import facts
from ._turns import single_shot
from ._worker import tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from ._request import Request

SETTLE = 150  # ms that the slider must rest
_AFTER_SHOWING = 1600  # ms; torch is being loaded until then


class AttentionWidget(AttentionForm):
    """Ask one or several models about a place, and see their maps at once.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.

    Attributes
    ----------
    record_changed : Signal
        With a list of (title of a model, `SliceRecord`) of the slice on the screen.
    """

    record_changed = Signal(object)

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self._requests: dict[str, Request] = {}
        self._asks = Asks()
        self._failed: dict[str, str] = {}
        self._listed: list[tuple[Any, ...]] = []
        self._records: list[tuple[str, Any]] = []
        self._view = AttentionView(napari_viewer, self._is_listening)
        self._slider_timer = single_shot(self, SETTLE, self._draw)
        self._show_timer = single_shot(self, _AFTER_SHOWING, self._on_shown)
        self._layers_timer = single_shot(self, 0, self._on_layers_settled)
        self.charts = AttentionCharts(self, napari_viewer, self._view)
        self._connect()
        self._on_layers_settled()
        self.on_close(partial(AttentionView.close, self._view))

    @property
    def is_on(self) -> bool:
        """Whether maps are shown."""
        return self.show_button.isChecked()

    @property
    def is_busy(self) -> bool:
        """Whether maps are on their way to the screen."""
        is_waiting = self._slider_timer.isActive() or self._layers_timer.isActive()
        return is_waiting or self._view.is_busy

    def map_source(self) -> MapSource:
        """Give which attention is shown."""
        return self.source_box.source()

    def set_map_source(self, source: MapSource) -> None:
        """Show another attention; all settings shown in the dock follow."""
        self.source_box.choose(source)

    def set_honesty(self, model: str, is_passed: bool, reason: str = "") -> None:
        """Grey the maps of a model, by its title, with the reason; or undo that."""
        self.model_list.set_honesty(model, is_passed, reason)
        self._view.cells.set_grey(self.model_list.reasons())
        self.say(self._failed)

    def ask(self, ask: Ask) -> None:
        """Ask about a place; shows the maps if they are not shown."""
        self._asks.current = replace(ask, number=CURRENT)
        if self.is_on:
            self._draw()
        else:
            self.show_button.setChecked(True)

    def pin(self) -> None:
        """Keep the current query in a colour of its own."""
        if self._asks.pin():
            self._draw()

    def unpin(self, number: int) -> None:
        """Remove a pinned query."""
        self._asks.unpin(number)
        self._draw()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._view.set_window(self.window())
        self._show_timer.start()

    def _connect(self) -> None:
        self.show_button.toggled.connect(self._on_toggled)
        self.edited.connect(self._slider_timer.start)
        toggled = self.side_box.toggled
        for chosen in (self.edited, self.source_box.changed, toggled):
            chosen.connect(self.remember)
        self.side_box.toggled.connect(self._draw)
        self.anatomy_combo.currentIndexChanged.connect(self._draw)
        self.source_box.changed.connect(self._on_source_changed)
        self.look_box.changed.connect(self._on_look_changed)
        self.pair_box.changed.connect(self._draw)
        queries = self.query_list
        queries.pin_clicked.connect(self.pin)
        queries.whole_clicked.connect(self._on_whole_clicked)
        queries.removed.connect(self.unpin)
        queries.picked.connect(self._on_pin_picked)
        queries.layer_asked.connect(self._on_layer_asked)
        self.run_box.run_clicked.connect(self._on_all_clicked)
        self.run_box.cancel_clicked.connect(self._view.all_slices.cancel)
        view = self._view
        view.drawing.connect(self._on_drawing)
        view.drawn.connect(self._on_drawn)
        view.slider_moved.connect(self._slider_timer.start)
        view.layers_changed.connect(self._layers_timer.start)
        view.data_changed.connect(self._on_data_changed)
        view.cells.lost.connect(self._on_lost)
        view.runner.told.connect(self._on_told)
        view.runner.failed.connect(self.status_label.setText)
        view.all_slices.progressed.connect(self.run_box.advance)
        view.all_slices.made.connect(view.keep_volumes)
        view.all_slices.ended.connect(self.run_box.end)

    def _is_listening(self) -> bool:
        return self._is_wanted() and not self.reason()

    def _on_toggled(self, is_on: bool) -> None:
        if is_on:
            self._draw()
        else:
            self._view.hide()
            self.say(self._failed)

    def _on_drawing(self, path: list[Any]) -> None:
        if self.is_on and self._requests and self._view.cells.is_open:
            ask = ask_along(path, next(iter(self._requests.values())))
            self._view.cells.mark([ask, *self._asks.pins])

    def _on_drawn(self, path: list[Any]) -> None:
        if self._make_requests():
            self.ask(ask_along(path, next(iter(self._requests.values()))))

    def _on_layer_asked(self, layer: Layer) -> None:
        if not self._make_requests():
            return
        try:
            request = next(iter(self._requests.values()))
            self.ask(ask_of_layer(layer, request, np.array(self._viewer.dims.point)))
        except MedSynthError as err:
            self.status_label.setText(tell_error(err))

    def _on_whole_clicked(self) -> None:
        self._asks.current = None
        self._draw()

    def _on_pin_picked(self, number: int) -> None:
        ask = self._asks.find(number)
        if ask is not None:
            point = list(self._viewer.dims.point)
            point[-3:] = ask.point.tolist()
            self._viewer.dims.point = tuple(point)

    def _on_source_changed(self) -> None:
        for title in self.model_list.reasons():  # said of another map
            self.model_list.set_honesty(title, True)
        self._view.cells.set_grey({})
        self._draw()

    def _on_look_changed(self) -> None:
        self._view.cells.set_look(self.look_box.look())
        self.remember()

    def _on_all_clicked(self) -> None:
        job = self._job() if self._make_requests() else None
        if job is not None:
            n_slices = sum(r.reference.shape[r.axis] for r in job.requests.values())
            self.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", n_slices)
            self._view.all_slices.start(replace(job, asks=job.asks[:1]))

    def _on_shown(self) -> None:
        """Look for new models, and have the records of this slice at hand."""
        self.refresh_models()
        self._draw()

    def _on_layers_settled(self) -> None:
        layers = self._view.user_layers()
        listed = [(x.unique_id, x.name, str(facts(x))) for x in layers]
        if listed == self._listed:
            return
        self._listed = listed
        self.query_list.set_layers(x for x in layers if is_region(x))
        self.set_layers(layers)

    def _on_data_changed(self, layer: Layer) -> None:
        if layer in self.modality_table.sources().values():
            self._view.requests.forget()
            self._draw()

    def _on_lost(self) -> None:
        self.show_button.setChecked(False)

    def _make_requests(self) -> bool:
        """Collect what the models are run on; False, with the reason, if nothing."""
        self.settle()
        self._requests, self._failed = {}, {}
        if not self.reason():
            table = self.modality_table
            try:
                self._requests, self._failed = self._view.requests.make(
                    self.model_list.cards(),
                    table.sources(),
                    table.targets(),
                    self.options(),
                )
            except MedSynthError as err:
                self._failed = {"": tell_error(err)}
        self.say(self._failed)
        return bool(self._requests)

    def _job(self) -> Job:
        first = next(iter(self._requests.values()))
        point = self._viewer.dims.point
        return Job(
            self._requests,
            (self._asks.at(point, first.axis), *self._asks.pins),
            self.source_box.source(),
            is_reverse=self.source_box.is_reverse,
            target=next(iter(self.modality_table.targets()), ""),
            modality=self.source_box.modality,
            pair=self.pair_box.pair(),
            has_difference=self.pair_box.has_difference,
        )

    def _draw(self, *_: object) -> None:
        """Draw what is chosen now; while maps are off, have the records at hand."""
        asks = self._asks
        self.query_list.set_pins((a.number, a.colour, a.words) for a in asks.pins)
        can = asks.current is not None
        self.query_list.set_askable(can_pin=can, can_reset=can)
        if not self._is_wanted() or not self._make_requests():
            self._view.stop()
            self.say(self._failed)
            return
        job = self._job()
        self.charts.follow(job)
        if not self.is_on:
            self._view.runner.ask(job)
            return
        self._view.cells.set_look(self.look_box.look())
        self._view.draw(self.plan(job), job)

    def _on_told(self, told: object) -> None:
        if isinstance(told, Recorded):
            self.source_box.set_blocks(told.sizes())
            self.say(self._failed)
            self.record_changed.emit(told.records)
        elif not self.is_on:
            return  # only the records were wanted
        elif isinstance(told, Picture):
            self._failed.pop(told.cell, None)
            if told.number == CURRENT and not self._asks.has_current:
                self._view.cells.clear(told.cell, told.number)
            else:
                self._view.cells.draw(told)
        elif isinstance(told, Failed):
            self._failed[told.cell] = told.reason
            self._view.cells.clear(told.cell, told.number)
            self.say(self._failed)
        elif isinstance(told, Alike) and told.number == CURRENT:
            self.pair_box.set_correlation(told.correlation)
