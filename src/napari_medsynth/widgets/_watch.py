"""Watch: tells a widget that something in napari has changed, now and then."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal

from ._turns import single_shot


class Watch(QObject):
    """Gathers events of napari and tells of them together, in the next turn or later.

    napari's events come by the hundred, and a widget that is gone must not hear them:
    `close` ends it, and can be called when the widget is destroyed, because a watch
    belongs to nobody.

    Parameters
    ----------
    *events
        Emitters or groups of emitters of napari.
    only : collection of str
        Names of the events that count; all if empty.
    every : int
        From the first event to `heard` [ms].

    Attributes
    ----------
    heard : Signal
    """

    heard = Signal()

    def __init__(
        self, *events: Any, only: Collection[str] = (), every: int = 0
    ) -> None:
        super().__init__()
        self._events = events
        self._only = frozenset(only)
        self._timer = single_shot(self, every, self.heard.emit)
        for emitter in events:
            emitter.connect(self._on_event)

    def ask(self) -> None:
        """Have it told soon, without an event."""
        if not self._timer.isActive():
            self._timer.start()

    def close(self, *_: Any) -> None:
        """Listen no more; again, it changes nothing."""
        for emitter in self._events:
            emitter.disconnect(self._on_event)
        self._events = ()
        with suppress(RuntimeError):  # Qt went first, at the end of the session
            self._timer.stop()

    def _on_event(self, event: Any = None) -> None:
        if not self._only or getattr(event, "type", "") in self._only:
            self.ask()
