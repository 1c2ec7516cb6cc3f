"""Train a pack as a file says: ``medsynth train``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_medsynth.catalogue import read_pack, write_pack
from napari_medsynth.errors import CardError

from .events import Done, Epoch, Event, Step
from .job import read_job
from .loop import train

_log = logging.getLogger(__name__)


def train_from_config(
    path: Path | str, *, output: Path | str | None = None, log_every: int = 50
) -> Path:
    """Train as a file says and write the pack; resume what was interrupted.

    Parameters
    ----------
    path : Path or str
        See `TrainJob`.
    output : Path or str, optional
        Pack to write instead of the job's. The run's folder stands beside it as
        ``<name>.run``; if it has a checkpoint, the run continues from there.
    log_every : int
        Updates between two lines of the log.

    Returns
    -------
    Path
        The pack.

    Raises
    ------
    MedSynthError
        As `read_job`, `train` and `write_pack`.
    """
    job = read_job(path)
    if not (output or job.output):
        raise CardError(f"{path} needs output, the pack to write, or say --output.")
    target = Path(output) if output else Path(path).parent / job.output
    steps = train(job, folder=target.with_suffix(".run"), resume=True)
    done = _logged(steps, log_every)
    pack = read_pack(done.pack)
    return write_pack(target, pack.card, pack.weights()).path


def _logged(steps: Iterator[Event], every: int) -> Done:
    since: list[dict[str, float]] = []
    while True:
        try:
            event = next(steps)
        except StopIteration as finished:
            done: Done = finished.value
            return done
        if isinstance(event, Step):
            since.append(dict(event.losses))
            if event.step % every == 0:
                _log.info("%s", _line(event, since))
                since.clear()
        elif not isinstance(event, Epoch):
            _log.info("%s", event)


def _line(event: Step, since: list[dict[str, float]]) -> str:
    means = {n: float(np.mean([v[n] for v in since])) for n in since[0]}
    parts = " ".join(f"{name} {value:.4f}" for name, value in means.items())
    return (
        f"step {event.step}, {event.seconds / 60:.1f} min, "
        f"{event.eta / 60:.1f} min to go: {parts}"
    )
