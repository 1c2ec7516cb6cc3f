"""What the user wants of a run that goes on: Ctrl+C, lines on stdin, its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

STOP, FINISH = "stop", "finish"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Commands:
    """Remembers the last wish while a run goes on.

    Ctrl+C and SIGTERM (a cluster's notice) stop the run cleanly; a second Ctrl+C is a
    KeyboardInterrupt.

    Parameters
    ----------
    is_listening : bool
        Read stdin too: the line ``stop`` or its end stop the run, ``finish`` ends the
        training and lets it be judged.
    on_interrupt : callable, optional
        Called when the first signal has come.
    """

    def __init__(
        self,
        *,
        is_listening: bool = False,
        on_interrupt: Callable[[], None] | None = None,
    ) -> None:
        self.wish: str | None = None
        self._is_listening, self._on_interrupt = is_listening, on_interrupt
        self._earlier: dict[signal.Signals, Any] = {}

    def stop(self) -> None:
        """Wish that the run stops; nothing overrides this."""
        self.wish = STOP

    def __enter__(self) -> Self:
        for one in _SIGNALS:
            self._earlier[one] = signal.signal(one, self._on_signal)
        if self._is_listening:
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one, handler in self._earlier.items():
            signal.signal(one, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.wish == STOP and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop()
        if self._on_interrupt is not None:
            self._on_interrupt()

    def _listen(self) -> None:
        # os.read, not sys.stdin: a thread that holds its lock aborts Python at its end.
        buffer = b""
        while chunk := _read(sys.stdin):
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                word = line.strip().decode(errors="replace")
                if word == FINISH and self.wish is None:
                    self.wish = FINISH
                elif word == STOP:
                    self.stop()
        self.stop()


def ignore_signals() -> None:
    """Leave Ctrl+C and SIGTERM to the first process, and end when it does."""
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _read(stream: Any) -> bytes:
    try:
        return os.read(stream.fileno(), 4096)
    except (OSError, ValueError):  # closed, or no file at all
        return b""
