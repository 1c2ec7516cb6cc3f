"""Train a pack as a file says: ``medsynth train``."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_medsynth.catalogue import read_pack, write_pack
from napari_medsynth.errors import CardError

from .events import Done, Epoch, Event, Step
from .folder import is_first_process
from .job import TrainJob, read_job
from .loop import train

Steps = Generator[Event, str | None, Done]
_log = logging.getLogger(__name__)


def train_pack(job: TrainJob, target: Path) -> Steps:
    """Train and write the pack; resume what was interrupted.

    The run's folder stands beside the pack as ``<name>.run``; if it has a checkpoint,
    the run continues from there. Yields and raises as `loop.train` does; a run that is
    stopped leaves no pack but what is in its folder.

    Parameters
    ----------
    job : TrainJob
    target : Path
        Pack to write; where several processes share the work, the first one does.
    """
    done = yield from train(job, folder=run_folder(target), resume=True)
    if done.reason == "stopped" or not is_first_process(job):
        return done
    pack = read_pack(done.pack)
    written = write_pack(target, pack.card, pack.weights())
    return replace(done, pack=str(written.path))


def run_folder(target: Path) -> Path:
    """Give the folder of the run that makes a pack."""
    return target.with_suffix(".run")


def pack_path(job: TrainJob, path: Path, output: Path | str | None = None) -> Path:
    """Give the pack that the job of a file writes.

    Raises
    ------
    CardError
        If nothing says so.
    """
    if not (output or job.output):
        raise CardError(f"{path} needs output, the pack to write, or say --output.")
    return Path(output) if output else Path(path).parent / job.output


def train_from_config(
    path: Path | str, *, output: Path | str | None = None, log_every: int = 50
) -> Path:
    """Train as a file says and write the pack; see `train_pack`.

    Parameters
    ----------
    path : Path or str
        See `TrainJob`.
    output : Path or str, optional
        Pack to write instead of the job's.
    log_every : int
        Updates between two lines of the log.

    Returns
    -------
    Path
        The pack.

    Raises
    ------
    MedSynthError
        As `read_job`, `loop.train` and `write_pack`.
    """
    job = read_job(path)
    target = pack_path(job, Path(path), output)
    _exhaust(train_pack(job, target), log_every)
    return target


def _exhaust(steps: Steps, every: int) -> None:
    since: list[dict[str, float]] = []
    for event in steps:
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
