"""What a training run writes down: stdout as JSON, events.jsonl and log.txt."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from napari_medsynth.errors import MedSynthError
from napari_medsynth.training.events import Event, Failed

from ._training_words import sentence_of

EVENTS, LOG = "events.jsonl", "log.txt"
Show = Callable[[Event], None]


class Log(io.TextIOBase):
    """A text stream that goes to a file, and to another stream if there is one.

    What cannot be written, on a full disk, is lost: a log ends no run.

    Parameters
    ----------
    other : TextIO or None
        For all that is written, also before `path` is set.
    """

    def __init__(self, other: TextIO | None = None) -> None:
        self.path: Path | None = None
        self._other = other

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        is_same = _is_same(self._other, self.path)
        if self._other is not None:
            try:
                self._other.write(text)
                self._other.flush()
            except (OSError, ValueError):  # whoever listened has gone
                self._other = None
        if self.path is not None and not is_same:
            append(self.path, text)
        return len(text)


class Record:
    """Shows events and writes them into the run's folder, with how it all ended.

    Parameters
    ----------
    show : callable
        Shows an event to the user.
    log : Log
    is_silent : bool
        Write no events: another process of the run does.
    """

    def __init__(self, show: Show, log: Log, *, is_silent: bool = False) -> None:
        self._show, self._log, self._is_silent = show, log, is_silent
        self._folder: Path | None = None
        self._early: list[Event] = []

    def open(self, folder: Path) -> None:
        """Write into a folder from now on, first what was shown before."""
        self._folder = self._log.path = None if self._is_silent else folder
        self._log.path = folder / LOG
        for event in self._early:
            self._write(event)
        self._early.clear()

    def show(self, event: Event) -> None:
        """Show an event and write it down."""
        self._write(event)
        self._show(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        if self._log.path is not None:
            append(self._log.path, "".join(traceback.format_exception(error)))
        if isinstance(error, MedSynthError):
            self.show(Failed(str(error)))
        elif isinstance(error, KeyboardInterrupt):
            self.show(Failed("Interrupted: resume from the last checkpoint."))
        else:
            self.show(
                Failed(
                    f"A mistake in the program ended the run ({_first_line(error)}): "
                    "log.txt in its folder has the details."
                )
            )

    def _write(self, event: Event) -> None:
        if self._is_silent:
            return
        if self._folder is None:
            self._early.append(event)
            return
        append(self._folder / EVENTS, line_of(event))
        if sentence := sentence_of(event):
            append(self._folder / LOG, f"{time.strftime('%H:%M:%S')} {sentence}\n")


class EventStream:
    """Writes events as JSON lines.

    Parameters
    ----------
    stream : TextIO
    on_broken : callable
        Called when nobody reads the stream any more.
    """

    def __init__(self, stream: TextIO, on_broken: Callable[[], None]) -> None:
        self._stream: TextIO | None = stream
        self._on_broken = on_broken

    def show(self, event: Event) -> None:
        """Write one line at once."""
        if self._stream is None:
            return
        try:
            self._stream.write(line_of(event))
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None
            self._on_broken()


def append(path: Path, text: str) -> None:
    """Add to the end of a file, if the disk allows."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return


def line_of(event: Event) -> str:
    """Give an event as one line of strict JSON: what is not finite becomes null."""
    return json.dumps(_finite(event.to_json()), allow_nan=False) + "\n"


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """Keep stdout for one writer: what anything else prints there goes to stderr."""
    try:
        number, errors = sys.stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # not a file: a test's, or a notebook's
        yield sys.stdout
        return
    sys.stdout.flush()
    own = os.dup(number)
    os.dup2(errors, number)
    stream = os.fdopen(own, "w", encoding="utf-8", errors="replace")
    try:
        yield stream
    finally:
        os.dup2(own, number)
        try:
            stream.close()
        except OSError:  # nobody reads it any more
            sys.stdout = None


@contextmanager
def redirected(log: Log) -> Iterator[None]:
    """Send what libraries print to the log."""
    with redirect_stdout(log), redirect_stderr(log):  # type: ignore[type-var]
        yield


def _is_same(stream: TextIO | None, path: Path | None) -> bool:
    """Whether a stream already leads to the file: a viewer may have arranged that."""
    if stream is None or path is None:
        return False
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except (OSError, ValueError):
        return False


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _first_line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}".rstrip(": ")
