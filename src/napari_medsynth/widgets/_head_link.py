"""HeadLink: has the heads of the record on the screen measured, and shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from ._chart_jobs import heads_of
from ._trust_latest import Latest

if TYPE_CHECKING:
    from napari_medsynth.explain import SliceRecord

    from ._chart_jobs import Heads
    from .parts.head_chart import HeadChart
    from .parts.section import Section


class HeadLink(QObject):
    """Between a `HeadChart` and a dock; works while its section is unfolded.

    Parameters
    ----------
    chart : HeadChart
    section : Section
    choose : callable
        Shows the `MapSource` that it is given.
    """

    def __init__(
        self, chart: HeadChart, section: Section, choose: Callable[[Any], None]
    ) -> None:
        super().__init__()
        self._chart, self._section = chart, section
        self._records: dict[str, SliceRecord] = {}
        self._shown: SliceRecord | None = None
        self._latest = Latest()
        chart.chosen.connect(choose)
        chart.model_chosen.connect(self._update)
        section.toggled.connect(self._update)
        self._latest.done.connect(self._on_done)
        self._latest.failed.connect(chart.show_nothing)

    @property
    def is_busy(self) -> bool:
        """Whether heads are measured."""
        return self._latest.is_busy

    def follow(self, records: list[tuple[str, SliceRecord]]) -> None:
        """Take note of other records, by the titles of their models."""
        self._records = dict(records)
        self._chart.set_titles(list(self._records))
        self._update()

    def abandon(self) -> None:
        """Stop for good, and touch nothing."""
        self._latest.abandon()

    def _update(self, *_: object) -> None:
        record = self._records.get(self._chart.title)
        is_wanted = record is not None and record is not self._shown
        if is_wanted and self._section.isExpanded():
            self._shown = record
            self._latest.ask(heads_of, record)

    def _on_done(self, heads: Heads) -> None:
        record, statistics = heads
        if record is self._records.get(self._chart.title):
            self._chart.show_heads(statistics)
