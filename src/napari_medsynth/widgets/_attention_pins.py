"""Asks: the query that follows the slider, and those that are pinned to their slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ._attention_ask import COLOURS, CURRENT, Ask


class Asks:
    """What is asked.

    Attributes
    ----------
    current : Ask or None
        The last query; None asks about the whole slice.
    pins : list of Ask
        In the order they were pinned.
    """

    def __init__(self) -> None:
        self.current: Ask | None = None
        self.pins: list[Ask] = []

    @property
    def has_current(self) -> bool:
        """Whether the current map says something beside the pins."""
        return self.current is not None or not self.pins

    def at(self, point: Sequence[float], axis: int) -> Ask:
        """Give the current query on the slice across `axis` that contains `point`."""
        here = np.asarray(point, float)[-3:]
        if self.current is None:
            return Ask(here)
        self.current = self.current.moved_to(here.tolist(), axis)
        return self.current

    def pin(self) -> bool:
        """Pin the current query; False if there is none."""
        if self.current is None:
            return False
        numbers = {ask.number for ask in self.pins}
        number = next(n for n in range(1, len(numbers) + 2) if n not in numbers)
        colour = COLOURS[(number - 1) % len(COLOURS)]
        self.pins.append(replace(self.current, number=number, colour=colour))
        self.current = None
        return True

    def unpin(self, number: int) -> None:
        """Forget a pin; an unknown number changes nothing."""
        self.pins = [ask for ask in self.pins if ask.number != number]

    def find(self, number: int) -> Ask | None:
        """Give an ask by its number."""
        if number == CURRENT:
            return self.current
        return next((ask for ask in self.pins if ask.number == number), None)
