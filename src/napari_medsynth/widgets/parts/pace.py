"""Pace: draw what keeps changing often enough, and no more."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from qtpy.QtCore import QObject, QTimer

_SHORTEST, _LONGEST = 250, 2000  # ms
_SHARE = 10  # the pause is so many times as long as drawing took


class Pace(QObject):
    """Calls `draw` some time after it was asked to, once for all that asked.

    Any change of a widget makes Qt draw napari's whole window anew, canvas included:
    about 10 ms on a graphics card, up to 100 ms without one. So the pause follows what
    the last drawing took.

    Parameters
    ----------
    draw : callable
        A bound method of `parent`.
    """

    def __init__(self, draw: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._draw = draw
        self._started = 0.0
        self._timer = self._single_shot(_SHORTEST, self._on_due)
        self._drawn_timer = self._single_shot(0, self._on_drawn)

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to draw."""
        return self._timer.isActive()

    @property
    def pause(self) -> int:
        """Time from asking to drawing [ms]."""
        return self._timer.interval()

    def ask(self) -> None:
        """Have it drawn soon."""
        if not self._timer.isActive():
            self._timer.start()

    def stop(self) -> None:
        """Forget that anyone asked."""
        self._timer.stop()

    def _on_due(self) -> None:
        self._started = perf_counter()
        self._draw()
        self._drawn_timer.start()  # comes after the paint events

    def _on_drawn(self) -> None:
        taken = 1000 * (perf_counter() - self._started)
        pause = min(max(_SHORTEST, int(_SHARE * taken)), _LONGEST)
        self._timer.setInterval(pause)

    def _single_shot(self, delay: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(delay)
        timer.timeout.connect(slot)
        return timer
