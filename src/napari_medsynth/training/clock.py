"""How long a run has taken, and how long it still takes."""

from __future__ import annotations

import time

N_FIRST = 5  # steps after which an estimate can be told


class Clock:
    """Times of steps and of looks at the held-out subjects.

    The first step is not counted: memory and kernels are prepared in it.
    """

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._n_steps, self._step_seconds = 0, 0.0
        self._n_looks, self._look_seconds = 0, 0.0
        self._first = 0.0

    def start(self) -> None:
        """Begin; what was before is not counted."""
        self._start = self._last = time.monotonic()

    def step(self) -> float:
        """Note that a step is done; give what it took [s]."""
        took = self._lap()
        if self._n_steps == 0:
            self._first = took
        else:
            self._step_seconds += took
        self._n_steps += 1
        return took

    def look(self) -> None:
        """Note that the held-out subjects were looked at."""
        self._look_seconds += self._lap()
        self._n_looks += 1

    def skip(self) -> None:
        """Do not count what was since the last step or look."""
        self._lap()

    @property
    def seconds(self) -> float:
        """Since the start [s]."""
        return time.monotonic() - self._start

    @property
    def per_step(self) -> float:
        """Mean of all steps but the first [s]."""
        if self._n_steps < 2:
            return self._first
        return self._step_seconds / (self._n_steps - 1)

    @property
    def per_look(self) -> float:
        """Mean [s]."""
        return self._look_seconds / max(1, self._n_looks)

    @property
    def is_first_estimate(self) -> bool:
        """Whether just so many steps were taken that an estimate can be told."""
        return self._n_steps == N_FIRST

    def eta(self, *, n_steps: int, n_looks: int) -> float:
        """Give what so many steps and looks will take [s]."""
        return n_steps * self.per_step + n_looks * self.per_look

    def _lap(self) -> float:
        now = time.monotonic()
        took, self._last = now - self._last, now
        return took
