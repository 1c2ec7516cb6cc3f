"""Events of a child process: from bytes to dicts, and few enough for the widgets."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

Event = dict[str, Any]

_LONGEST_LINE = 16 * 1024**2  # bytes; what never ends is no event
_STEP_EVERY = 0.25  # s
_log = logging.getLogger(__name__)


class EventLines:
    """Cuts what a child prints into lines and reads those that are events."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._lines)

    def feed(self, data: bytes, *, is_last: bool = False) -> None:
        """Add what was printed; with `is_last`, also a line that was not ended."""
        *whole, rest = (self._rest + data).split(b"\n")
        if is_last:
            whole, rest = [*whole, rest], b""
        self._lines.extend(line for line in whole if line.strip())
        self._rest = rest if len(rest) <= _LONGEST_LINE else b""

    def take(self) -> Event | None:
        """Give the next line as an event; log what is none, and give None."""
        line = self._lines.popleft()
        try:
            event = json.loads(line)
        except ValueError:  # also bytes that are no UTF-8
            event = None
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            return event
        _log.warning("The training process printed no event: %r", line[:200])
        return None


class StepThinner(QObject):
    """Passes events on in their order, but of the steps only some per second.

    ``event_came`` has the events. The step that is passed on carries the mean losses
    and speed of those that were held back since the last one.
    """

    event_came = Signal(dict)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._held: list[Event] = []
        self._passed = -_STEP_EVERY
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)

    def add(self, event: Event) -> None:
        """Pass `event` on, now or soon."""
        if event["event"] != "step":
            self.flush()
            self.event_came.emit(event)
            return
        self._held.append(event)
        wait = _STEP_EVERY - (monotonic() - self._passed)
        if wait <= 0:
            self.flush()
        elif not self._timer.isActive():
            self._timer.start(round(1000 * wait) + 1)

    def flush(self) -> None:
        """Pass on what was held back."""
        self._timer.stop()
        held, self._held = self._held, []
        if held:
            self._passed = monotonic()
            self.event_came.emit(_merged(held))


def _merged(steps: Sequence[Event]) -> Event:
    """Give the last of some steps with the means of their losses and speeds."""
    last = steps[-1]
    if len(steps) == 1:
        return last
    losses = [step.get("losses") for step in steps]
    speeds = [step.get("samples_per_second") for step in steps]
    kept = [values for values in losses if isinstance(values, Mapping)]
    names = kept[-1] if kept else {}
    return {
        **last,
        "losses": {name: _mean([v.get(name) for v in kept]) for name in names},
        "samples_per_second": _mean(speeds) or 0.0,
    }


def _mean(values: Sequence[Any]) -> float | None:
    """Give the mean of what is a number; a loss that is not finite came as null."""
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    return sum(numbers) / len(numbers) if numbers else None
