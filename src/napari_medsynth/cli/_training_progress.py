"""A training run on a terminal: a line for each epoch, a bar below."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from napari_medsynth.training import events

from ._training_words import duration, is_warning, sentence_of

_SMOOTH = 0.9  # of the loss that is shown
_STOPPING = "Stopping after this step, with a checkpoint; Ctrl+C again ends at once."


class _LeftColumn(ProgressColumn):
    """Time that is left, as the run itself measures it."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return Text("" if left is None else f"{duration(left)} left")


class TrainingProgress:
    """Shows events on stderr."""

    def __init__(self) -> None:
        # The stream itself: sys.stderr is the log's while the run goes on.
        self._console = Console(file=sys.stderr, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            _LeftColumn(),
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("Reading", total=None, note="")
        self._loss: float | None = None
        self._n_epochs = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, sentence: str, style: str = "") -> None:
        """Write a line above the bar."""
        text = escape(sentence)
        self._console.print(f"[{style}]{text}[/]" if style else text, soft_wrap=True)

    def say_stopping(self) -> None:
        """Answer the first Ctrl+C."""
        self.say(_STOPPING, "yellow")

    def show(self, event: events.Event) -> None:
        """Move the bar, or write a line."""
        if isinstance(event, events.Started):
            self._n_epochs = event.n_epochs
            self._bar.update(self._task, total=event.n_steps, completed=event.step)
        if isinstance(event, events.Step):
            self._show_step(event)
        elif isinstance(event, events.Failed | events.Done):
            return  # the command says what has become of it
        elif isinstance(event, events.Judging):
            self._bar.update(
                self._task,
                description="Comparing with the base",
                completed=event.done,
                total=event.total,
                note="",
                left=None,
            )
        elif sentence := sentence_of(event):
            self.say(sentence, "yellow" if is_warning(event) else "")

    def _show_step(self, event: events.Step) -> None:
        total = event.losses.get("total", 0.0)
        known = total if self._loss is None else self._loss
        self._loss = _SMOOTH * known + (1 - _SMOOTH) * total
        self._bar.update(
            self._task,
            description=f"Epoch {event.epoch} of {self._n_epochs}",
            completed=event.step,
            note=f"loss {self._loss:.4f}, {event.samples_per_second:.1f} slices/s",
            left=event.eta,
        )
