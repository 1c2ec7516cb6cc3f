"""A cache of large arrays with a bound on memory; the rest goes to disk."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LIMIT = 2 << 30


class Stack(NamedTuple):
    """All contrasts of a subject on one grid.

    Parameters
    ----------
    data : ndarray
        uint16, (C, Z, Y, X).
    spacing : tuple of float
        (dz, dy, dx) [mm].
    """

    data: NDArray[np.uint16]
    spacing: tuple[float, float, float]


class StackCache:
    """Stacks by key, made when they are first asked for.

    The stacks used last stay in memory up to a limit. Older ones are moved to unnamed
    temporary files, from where a slice is read in milliseconds; if the disk is full
    they are dropped, and made again when needed. May be used from several threads.

    Parameters
    ----------
    limit : int
        Bytes in memory. A stack larger than that goes to disk at once.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self.limit = limit
        self._in_memory: OrderedDict[Hashable, Stack] = OrderedDict()
        self._on_disk: dict[Hashable, Stack] = {}
        self._lock = RLock()

    @property
    def n_bytes(self) -> int:
        """How much of the memory is used."""
        with self._lock:
            return sum(stack.data.nbytes for stack in self._in_memory.values())

    def get(self, key: Hashable, make: Callable[[], Stack]) -> Stack:
        """Give a stack, in memory or mapped from disk; one is made at a time."""
        with self._lock:
            if key in self._on_disk:
                return self._on_disk[key]
            if key not in self._in_memory:
                self._in_memory[key] = make()
            self._in_memory.move_to_end(key)
            stack = self._in_memory[key]
            self._make_room()
            return stack

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._in_memory.clear()
            self._on_disk.clear()

    def _make_room(self) -> None:
        while self._in_memory and self.n_bytes > self.limit:
            key, stack = self._in_memory.popitem(last=False)
            try:
                self._on_disk[key] = stack._replace(data=_mapped(stack.data))
            except OSError:
                continue  # no room there either


def _mapped(array: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Write to a file that vanishes with the array.

    Written, not mapped and filled: a full disk must be an error, not a signal.
    """
    with tempfile.TemporaryFile(prefix="medsynth-") as file:
        file.write(array.data)
        file.flush()
        return np.memmap(file, array.dtype, "r", shape=array.shape)


SHARED = StackCache()
