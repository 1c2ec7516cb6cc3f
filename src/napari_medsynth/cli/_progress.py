"""A bar with slices, slices per second and the time left, on stderr."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from napari_medsynth.engine import Progress as Step
    from napari_medsynth.engine import Result


class _SpeedColumn(ProgressColumn):
    """Slices per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} slices/s" if speed else "- slices/s")


def follow(steps: Generator[Step, None, Result], title: str) -> tuple[Result, int]:
    """Exhaust `steps` behind a progress bar.

    Returns
    -------
    result : Result
        What `steps` returned.
    n_slices : int
        How many slices it made.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("slices"),
        _SpeedColumn(),
        TimeRemainingColumn(),
    )
    n_slices = 0
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        try:
            while True:
                step = next(steps)
                n_slices = step.done
                bar.update(task, completed=step.done, total=step.total)
                if step.message:
                    bar.console.print(step.message, markup=False, highlight=False)
        except StopIteration as finished:
            return finished.value, n_slices
        finally:
            steps.close()
