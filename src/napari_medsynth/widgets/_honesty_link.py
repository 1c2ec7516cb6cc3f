"""HonestyLink: tests the maps on the screen, and greys those that fail."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from ._honesty_jobs import Step, Verdict, check_maps, key_of
from ._work import Work

if TYPE_CHECKING:
    from ._attention_jobs import Job
    from ._session import Session
    from .parts.honesty_box import HonestyBox

_DONE = "Tested: a map that is not honest is grey."
_MOVED_ON = "Stopped: another map is shown now."


class HonestyLink(QObject):
    """Between a `HonestyBox` and a dock.

    Parameters
    ----------
    box : HonestyBox
    session : Session
    set_honesty : callable
        The dock's: title of a model, whether its map passed, and why not.
    """

    def __init__(
        self,
        box: HonestyBox,
        session: Session,
        set_honesty: Callable[[str, bool, str], None],
    ) -> None:
        super().__init__()
        self._box, self._session, self._set_honesty = box, session, set_honesty
        self._job: Job | None = None
        self._asked: dict[str, Hashable] = {}  # keys of what is being tested
        self._known: dict[str, tuple[Hashable, Verdict]] = {}
        self._work = Work()
        box.run_clicked.connect(self.run)
        box.cancel_clicked.connect(self.cancel)
        self._work.progressed.connect(self._on_progressed)
        self._work.done.connect(self._on_done)
        self._work.failed.connect(box.show_ended)

    @property
    def is_busy(self) -> bool:
        """Whether a test runs."""
        return self._work.is_busy

    def run(self) -> None:
        """Test the maps of all models."""
        if self._job is None or self.is_busy:
            return
        self._forget(list(self._known))
        self._box.show_verdicts(())
        self._asked = {title: key_of(self._job, title) for title in self._job.requests}
        self._box.show_running(Step(0, 1, "Starting\N{HORIZONTAL ELLIPSIS}"))
        self._work.start(check_maps, self._session, self._job)

    def cancel(self, text: str = "Cancelled.") -> None:
        """Stop at the next step; verdicts that are known stay."""
        if self.is_busy:
            self._work.abandon()
            self._box.show_ended(text)

    def follow(self, job: Job) -> None:
        """Take note of the maps that are shown now: verdicts on others are void."""
        self._job = job
        self._box.set_ready(True)
        keys = {title: key_of(job, title) for title in job.requests}
        if self.is_busy and any(keys.get(t) != key for t, key in self._asked.items()):
            self.cancel(_MOVED_ON)
        void = [t for t, (key, _) in self._known.items() if keys.get(t) != key]
        if void:
            self._forget(void)
            self._box.show_verdicts([verdict for _, verdict in self._known.values()])
            if not self._known:
                self._box.forget()
        for title, (_, verdict) in self._known.items():
            if verdict.is_passed is False:  # a list that was read again has forgotten
                self._set_honesty(title, False, verdict.reason)

    def abandon(self) -> None:
        """Stop for good, and touch nothing."""
        self._work.abandon()

    def _forget(self, titles: list[str]) -> None:
        for title in titles:
            _, verdict = self._known.pop(title)
            if verdict.is_passed is False:
                self._set_honesty(title, True, "")

    def _on_progressed(self, told: Step | Verdict) -> None:
        if isinstance(told, Step):
            self._box.show_running(told)
            return
        self._known[told.title] = (self._asked[told.title], told)
        self._box.show_verdicts([verdict for _, verdict in self._known.values()])
        if told.is_passed is not None:
            self._set_honesty(told.title, told.is_passed, told.reason)

    def _on_done(self, verdicts: list[Verdict]) -> None:
        self._box.show_ended(_DONE if any(v.honesty for v in verdicts) else "")
