"""Turns: several slow steps in the GUI thread, with time for the user between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from qtpy.QtCore import QObject, QTimer


class Turns(QObject):
    """Calls functions, one per turn of the event loop.

    Adding a layer takes napari 40 to 80 ms; four of them at once would be a jerk.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps: deque[Callable[[], None]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_busy(self) -> bool:
        """Whether steps wait for their turn."""
        return bool(self._steps)

    def add(self, steps: Iterable[Callable[[], None]]) -> None:
        """Call `steps` after those that still wait."""
        self._steps.extend(steps)
        self._timer.start()

    def stop(self) -> None:
        """Forget all that waits."""
        self._steps.clear()
        self._timer.stop()

    def _on_timeout(self) -> None:
        if self._steps:
            self._steps.popleft()()
        if not self._steps:
            self._timer.stop()


def single_shot(parent: QObject, delay: int, slot: Callable[[], None]) -> QTimer:
    """Give a timer that calls `slot` once, `delay` ms after its start."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(delay)
    timer.timeout.connect(slot)
    return timer


def stop(timer: QTimer) -> None:
    """Stop a timer, at the end also one that Qt has deleted before us."""
    with suppress(RuntimeError):  # PyQt's and PySide's word for it
        timer.stop()
