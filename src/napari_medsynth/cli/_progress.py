"""A bar with what is done and the time left, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
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
                run, tiles = step.tiles  # of a large image, which may be the only one
                share = run / tiles if tiles else 0.0
                bar.update(task, completed=step.done + share, total=step.total)
                if step.message:
                    bar.console.print(step.message, markup=False, highlight=False)
        except StopIteration as finished:
            return finished.value, n_slices
        finally:
            steps.close()


def follow_share(
    steps: Generator[Any, None, Any],
    title: str,
    describe: Callable[[Any], tuple[float, str]],
) -> Any:
    """Exhaust `steps` behind a progress bar; give what they return.

    Parameters
    ----------
    steps : generator
    title : str
        Stands before the bar until a step has words of its own.
    describe : callable
        Gives of a step how much is done, 0 to 1, and words for it, or "".
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(title), total=1.0)
        try:
            while True:
                share, words = describe(next(steps))
                shown = escape(words or title)
                bar.update(task, completed=share, description=shown)
        except StopIteration as finished:
            return finished.value
        finally:
            steps.close()
