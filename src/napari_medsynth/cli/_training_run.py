"""A training run in front of a user, or of a program that reads its events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth import __version__
from napari_medsynth.training.events import Event, Hello
from napari_medsynth.training.folder import is_first_process

from ._commands import Commands, ignore_signals
from ._run_log import EventStream, Log, Record, own_stdout, redirected
from ._training_progress import TrainingProgress

if TYPE_CHECKING:
    from napari_medsynth.training.events import Done
    from napari_medsynth.training.finetune import Steps

Begin = Callable[[], "tuple[Path, Steps]"]
View = tuple[Commands, Callable[[Event], None]]


def follow(begin: Begin, *, is_json: bool = False) -> Done | None:
    """Run what `begin` gives; show and write down what happens.

    Parameters
    ----------
    begin : callable
        Gives the folder of the run and the generator of its events.
    is_json : bool
        Write events as JSON lines to stdout and obey stdin; else show a bar on stderr.

    Returns
    -------
    Done or None
        None in a process that only helps the first one.

    Raises
    ------
    MedSynthError
        If the run failed; this was the last event.
    """
    is_first = is_first_process()
    with ExitStack() as stack:
        log = Log(sys.stderr if is_json else None)
        commands, show = stack.enter_context(_view(is_json, is_first))
        record = stack.enter_context(Record(show, log, is_silent=not is_first))
        stack.enter_context(redirected(log))
        record.show(Hello(__version__, os.getpid()))
        folder, steps = begin()
        with closing(steps):
            done = _exhaust(steps, commands, record, folder)
        record.show(done)
    return done if is_first else None


def _exhaust(steps: Steps, commands: Commands, record: Record, folder: Path) -> Done:
    """Show each event and pass on what the user wishes."""
    try:
        event = next(steps)
        record.open(folder)
        while True:
            record.show(event)
            event = steps.send(commands.wish)
    except StopIteration as finished:
        done: Done = finished.value
        return done


@contextmanager
def _view(is_json: bool, is_first: bool) -> Iterator[View]:
    """Give what listens to the user, and what tells them."""
    if not is_first:
        ignore_signals()
        yield Commands(), _show_nothing
    elif is_json:
        with own_stdout() as stdout, Commands(is_listening=True) as commands:
            yield commands, EventStream(stdout, commands.stop).show
    else:
        with (
            TrainingProgress() as progress,
            Commands(on_interrupt=progress.say_stopping) as commands,
        ):
            yield commands, progress.show


def _show_nothing(event: Event) -> None:
    """Leave it to the first process."""
