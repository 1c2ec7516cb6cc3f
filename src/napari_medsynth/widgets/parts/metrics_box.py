"""MetricsBox: how good the syntheses are, in numbers, per region and per slice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._measure import (
    PLANES,
    Comparison,
    compare,
    labels_of,
    profiles,
    syntheses_of,
    task_of,
    truths_of,
)
from napari_medsynth.widgets._report import save_csv, save_report
from napari_medsynth.widgets._slice_link import SliceLink
from napari_medsynth.widgets._watch import Watch
from napari_medsynth.widgets._work import Work

from .metrics_form import MetricsForm

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

    Key = tuple[str, str, str]
    Curves = Mapping[str, NDArray[Any]]

_CHANGES = ("inserted", "removed", "reordered", "name", "metadata", "data")
_PAINTED = ("paint", "labels_update")
_FOLLOW_EVERY = 40  # ms
_NO_TRUTH = (
    "Numbers need a synthesis and a real image to compare it with: open the real image "
    "of the contrast that was made."
)
_STALE = "The layers have changed since these numbers: measure again."
_FIRST_REGION = "foreground"


class MetricsBox(QWidget):
    """Syntheses against the real image: a table, a plot along the slices, exports.

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
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.comparison: Comparison | None = None
        self.region = _FIRST_REGION
        self._asked: tuple[Any, ...] = ()
        self._link: SliceLink | None = None
        self._curves: dict[Key, Curves] = {}
        self._key: Key | None = None
        self.form = MetricsForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self._measuring, self._plotting, self._saving = Work(), Work(), Work()
        dims = self._viewer.dims.events
        self._layer_watch = Watch(self._viewer.layers.events, only=_CHANGES)
        self._paint_watch = Watch(self._viewer.layers.events, only=_PAINTED)
        self._dims_watch = Watch(dims.point, dims.order, every=_FOLLOW_EVERY)
        self._connect()
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether something is being measured, plotted or saved."""
        works = (self._measuring, self._plotting, self._saving)
        return any(work.is_busy for work in works)

    def refresh(self) -> None:
        """Look at the layers anew: what can be compared, are the numbers still true."""
        self.form.set_truths(truths_of(self._viewer.layers))
        if self._measuring.is_busy:
            return
        sentence = "" if self.form.truth is not None else _NO_TRUTH
        if self.comparison is not None and self._state() != self._asked:
            sentence = _STALE
        self.form.show_ready(sentence)

    def measure(self) -> None:
        """Measure every synthesis of the chosen real image, in a thread."""
        truth = self.form.truth
        if truth is None:
            return
        try:
            task = task_of(self._viewer.layers, truth, self.form.scaling)
            self._link = SliceLink(self._viewer, truth)
        except MedSynthError as err:
            self.form.say(str(err))
            return
        self._asked = self._state()
        self._plotting.abandon()
        self._key = None
        self.form.say("")
        self.form.show_running()
        self._measuring.start(compare, task)

    def cancel(self) -> None:
        """Stop measuring; earlier numbers stay."""
        self._measuring.abandon()
        self._asked = ()
        self.form.show_ready("Cancelled.")

    def save_csv(self, path: Path) -> None:
        """Write the numbers to `path`, in a thread."""
        if self.comparison is not None:
            self._saving.start(save_csv, self.comparison, path)

    def save_report(self, path: Path) -> None:
        """Write the report with the slice that is shown to `path`, in a thread."""
        if self.comparison is not None and self._link is not None:
            plane, index = self._link.plane, self._link.index
            is_inside = 0 <= index < self._n_slices(plane)
            shown = index if is_inside else None
            self._saving.start(save_report, self.comparison, path, plane, shown)

    def close(self) -> bool:
        """Stop all work and follow the viewer no more; again, it changes nothing."""
        self._end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return self.form.to_json()

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        self.form.set_from_json(values)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._layer_watch.ask()

    def _connect(self) -> None:
        form = self.form
        form.measure_button.clicked.connect(self.measure)
        form.cancel_button.clicked.connect(self.cancel)
        form.csv_button.clicked.connect(self._on_csv_clicked)
        form.html_button.clicked.connect(self._on_html_clicked)
        form.table.region_chosen.connect(self._on_region_chosen)
        form.metric_box.currentIndexChanged.connect(self._on_metric_changed)
        form.plot.chosen.connect(self._on_slice_chosen)
        self._layer_watch.heard.connect(self.refresh)
        self._paint_watch.heard.connect(self._on_painted)
        self._dims_watch.heard.connect(self._plot)
        self._measuring.progressed.connect(self._on_progressed)
        self._measuring.done.connect(self._on_compared)
        self._measuring.failed.connect(self.form.show_ready)
        self._plotting.done.connect(self._on_profiled)
        self._plotting.failed.connect(self.form.say)
        self._saving.done.connect(self._on_saved)
        self._saving.failed.connect(self.form.say)
        works = (self._measuring, self._plotting, self._saving)
        ends = [partial(Work.abandon, work) for work in works]
        watches = (self._layer_watch, self._paint_watch, self._dims_watch)
        ends += [partial(Watch.close, watch) for watch in watches]
        self._ends = ends
        for end in ends:
            self.destroyed.connect(end)

    def _end(self) -> None:
        for end in self._ends:
            end()

    def _state(self) -> tuple[Any, ...]:
        """What the numbers depend on, as far as it can be told quickly."""
        truth, layers = self.form.truth, self._viewer.layers
        if truth is None:
            return ()
        used = [truth, *(s.layer for s in syntheses_of(layers, truth))]
        return tuple(
            (id(a), id(a.data), id(a.metadata)) for a in [*used, *labels_of(layers)]
        )

    def _n_slices(self, plane: str) -> int:
        shape = self.comparison.truth.shape if self.comparison is not None else (0,) * 3
        return shape[PLANES.index(plane)]

    def _plot(self) -> None:
        """Show the curves of region, metric and plane; measure them if they are new."""
        if self.comparison is None or self._link is None:
            return
        key = (self.region, self.form.plotted, self._link.plane)
        if key not in self._curves and key != self._key:
            self._plotting.start(profiles, self.comparison, *key)
        elif key in self._curves and key != self._key:
            self.form.plot.show_curves(self._curves[key], *key[1:])
        self._key = key
        self.form.plot.show_index(self._link.index)

    def _on_painted(self) -> None:
        if self.comparison is not None:
            self._asked = ()
            self.refresh()

    def _on_progressed(self, progress: tuple[int, int]) -> None:
        self.form.show_running(*progress)

    def _on_compared(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self._curves, self._key = {}, None
        regions = [region.name for region in comparison.regions]
        if self.region not in regions:
            self.region = _FIRST_REGION
        self.form.table.show_rows(comparison.rows)
        self.form.table.select_region(self.region)
        self.form.declaration_label.setText(comparison.declaration.sentence)
        self.form.remark_label.setText("\n".join(comparison.remarks))
        self.form.results.show()
        self.form.show_ready(_STALE if self._state() != self._asked else "")
        self._plot()

    def _on_profiled(self, curves: Curves) -> None:
        if self._key is not None:
            self._curves[self._key] = curves
            self.form.plot.show_curves(curves, *self._key[1:])

    def _on_region_chosen(self, region: str) -> None:
        self.region = region
        self._plot()

    def _on_metric_changed(self) -> None:
        self._plot()
        self.changed.emit()

    def _on_slice_chosen(self, index: int) -> None:
        if self._link is not None:
            self._link.show(index)

    def _on_saved(self, path: Path) -> None:
        self.form.say(f"Saved {path.name}.")

    def _on_csv_clicked(self) -> None:
        if path := _ask(self, "numbers.csv", "Table (*.csv)"):
            self.save_csv(path)

    def _on_html_clicked(self) -> None:
        if path := _ask(self, "report.html", "Report (*.html)"):
            self.save_report(path)


def _ask(parent: QWidget, name: str, kind: str) -> Path | None:
    """Ask where to save; None if nobody wants to any more."""
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save", name, kind)
    if not chosen:
        return None
    path = Path(chosen)
    return path if path.suffix else path.with_suffix(Path(name).suffix)
