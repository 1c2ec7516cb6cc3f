"""PathLink: has the paths of the slice on the screen measured, or of all slices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from ._chart_jobs import all_paths_of, paths_of
from ._path_words import save_table
from ._trust_latest import Latest
from ._work import Work

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.explain import PathStrength

    from ._chart_jobs import AllPaths, Paths
    from ._request import Request
    from ._session import Session
    from .parts.path_chart import PathChart
    from .parts.section import Section

    Strengths = tuple[PathStrength, ...]


class PathLink(QObject):
    """Between a `PathChart` and a viewer; works while its section is unfolded.

    Parameters
    ----------
    chart : PathChart
    section : Section
    session : Session
    viewer : Viewer
    """

    def __init__(
        self, chart: PathChart, section: Section, session: Session, viewer: Viewer
    ) -> None:
        super().__init__()
        self._chart, self._section = chart, section
        self._session, self._viewer = session, viewer
        self._requests: Mapping[str, Request] = {}
        self._asked: tuple[Request, int] | None = None
        self._here: tuple[int, Strengths] | None = None  # of the chosen model
        self._all: dict[Request, dict[int, Strengths]] = {}
        self._latest, self._volume, self._saving = Latest(), Work(), Work()
        chart.model_chosen.connect(self._on_model_chosen)
        chart.slice_chosen.connect(self.go_to)
        chart.save_clicked.connect(self._on_save_clicked)
        chart.run_box.run_clicked.connect(self.run)
        chart.run_box.cancel_clicked.connect(self.cancel)
        section.toggled.connect(self._update)
        self._latest.done.connect(self._on_here)
        self._latest.failed.connect(chart.show_nothing)
        self._volume.progressed.connect(self._on_progressed)
        self._volume.done.connect(self._on_all)
        self._volume.failed.connect(chart.run_box.end)
        self._saving.done.connect(self._on_saved)
        self._saving.failed.connect(chart.run_box.say)

    @property
    def is_busy(self) -> bool:
        """Whether paths are measured or written."""
        return any(w.is_busy for w in (self._latest, self._volume, self._saving))

    def follow(self, requests: Mapping[str, Request]) -> None:
        """Take note of what is on the screen, by the titles of the models."""
        self._requests = requests
        self._chart.set_titles(list(requests))
        kept = list(requests.values())
        self._all = {r: found for r, found in self._all.items() if r in kept}
        self._show_all()
        self._update()

    def follow_slider(self) -> None:
        """Mark the slice on the screen."""
        request = self._request()
        if request is not None:
            index = request.index_of(self._viewer.dims.point)
            self._chart.slices.show_index(index)

    def go_to(self, index: int) -> None:
        """Show a slice of the chosen model in the viewer."""
        request = self._request()
        if request is not None:
            place, axis = request.place, request.axis
            world = place["translate"][axis] + index * place["scale"][axis]
            self._viewer.dims.set_point(self._viewer.dims.ndim - 3 + axis, world)

    def run(self) -> None:
        """Measure all slices of the chosen model."""
        request = self._request()
        if request is not None and not self._volume.is_busy:
            n_slices = request.reference.shape[request.axis]
            self._chart.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", n_slices)
            self._volume.start(all_paths_of, self._session, request)

    def cancel(self) -> None:
        """Stop at the next slice."""
        if self._volume.is_busy:
            self._volume.abandon()
            self._chart.run_box.end("Cancelled.")

    def save(self, path: Path) -> None:
        """Write a table of all slices, or of this one if it is all there is."""
        request = self._request()
        slices: dict[int, Strengths] = {}
        if request is not None:
            slices = self._all.get(request, {})
        if not slices and self._here is not None:
            slices = dict((self._here,))
        if request is None or not slices:
            return
        card = request.card
        facts = {
            "model": card.id,
            "sha256": card.sha256,
            "plane": request.options.plane,
            "sources": " ".join(request.study.modalities),
        }
        self._saving.start(save_table, path, facts, slices)

    def abandon(self) -> None:
        """Stop for good, and touch nothing."""
        for work in (self._latest, self._volume, self._saving):
            work.abandon()

    def _request(self) -> Request | None:
        return self._requests.get(self._chart.title)

    def _update(self, *_: object) -> None:
        request = self._request()
        if request is None or not self._section.isExpanded():
            return
        self.follow_slider()
        wanted = (request, request.index_of(self._viewer.dims.point))
        if wanted != self._asked:
            self._asked = wanted
            self._latest.ask(paths_of, self._session, *wanted)

    def _show_all(self) -> None:
        request = self._request()
        found = {} if request is None else self._all.get(request, {})
        n_slices = request.reference.shape[request.axis] if request and found else 0
        self._chart.show_slices(found, n_slices)

    def _on_model_chosen(self) -> None:
        self._here = None
        self._show_all()
        self._update()

    def _on_here(self, paths: Paths) -> None:
        request, index, strengths = paths
        if (request, index) == self._asked and request is self._request():
            self._here = (index, strengths)
            self._chart.show_strengths(strengths)

    def _on_progressed(self, step: tuple[int, int]) -> None:
        self._chart.run_box.advance(*step)

    def _on_all(self, paths: AllPaths) -> None:
        request, found = paths
        self._chart.run_box.end("Click on the plot to go to a slice.")
        if request in self._requests.values():
            self._all[request] = found
            self._show_all()

    def _on_save_clicked(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self._chart, "Export CSV", "paths.csv", "Table (*.csv)"
        )
        if chosen:
            path = Path(chosen)
            self.save(path if path.suffix else path.with_suffix(".csv"))

    def _on_saved(self, path: Path) -> None:
        self._chart.run_box.say(f"Saved {path.name}.")
