"""AttentionCharts: heads, paths and honesty, folded sections of the Attention dock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from ._head_link import HeadLink
from ._honesty_link import HonestyLink
from ._path_link import PathLink
from .parts.head_chart import HeadChart
from .parts.honesty_box import HonestyBox
from .parts.path_chart import PathChart

if TYPE_CHECKING:
    from napari import Viewer

    from ._attention_jobs import Job
    from ._attention_view import AttentionView
    from .attention import AttentionWidget


class AttentionCharts(QObject):
    """Adds the sections to a dock, and ties them to it.

    It has no parent: when a dock is destroyed, its children are gone before `close` can
    be called.

    Parameters
    ----------
    dock : AttentionWidget
    viewer : Viewer
    view : AttentionView
        The dock's; its session is used too.
    """

    def __init__(
        self, dock: AttentionWidget, viewer: Viewer, view: AttentionView
    ) -> None:
        super().__init__()
        self._job: Job | None = None
        self.head_chart, self.path_chart = HeadChart(), PathChart()
        self.honesty_box = HonestyBox()
        dock.add_section("Heads", self.head_chart, is_open=False)
        dock.add_section("Paths", self.path_chart, is_open=False)
        dock.add_section("Honesty", self.honesty_box, is_open=False)
        sections, session = dock.sections, view.session
        self.heads = HeadLink(self.head_chart, sections["Heads"], dock.set_map_source)
        self.paths = PathLink(self.path_chart, sections["Paths"], session, viewer)
        self.honesty = HonestyLink(self.honesty_box, session, dock.set_honesty)
        for title in ("Heads", "Paths", "Honesty"):
            sections[title].toggled.connect(dock.remember)
        dock.record_changed.connect(self._on_record_changed)
        view.slider_moved.connect(self.paths.follow_slider)
        dock.on_close(partial(AttentionCharts.close, self))

    @property
    def is_busy(self) -> bool:
        """Whether something is measured or tested."""
        return any(link.is_busy for link in (self.heads, self.paths, self.honesty))

    def follow(self, job: Job) -> None:
        """Take note of the maps that are about to be shown."""
        self._job = job
        self.head_chart.mark(job.source)
        self.honesty.follow(job)

    def close(self, *_: object) -> None:
        """Stop all work, and touch nothing; again, it changes nothing."""
        for link in (self.heads, self.paths, self.honesty):
            link.abandon()

    def _on_record_changed(self, records: list) -> None:
        self.heads.follow(records)
        if self._job is not None:
            known = {title for title, _ in records}
            requests = self._job.requests.items()
            self.paths.follow({t: r for t, r in requests if t in known})
