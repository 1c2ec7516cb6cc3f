"""``medsynth finetune``: a model tuned on local subjects, kept if it is better."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsynth.catalogue import get_card
from napari_medsynth.errors import CardError

from ._console import note, say
from ._tasks import command_for
from ._training_run import follow

if TYPE_CHECKING:
    from napari_medsynth.training.finetune import Steps
    from napari_medsynth.training.job import TrainJob

_FOLDER = "MEDSYNTH_RUN"  # tells the other processes of a run where it is


class Keep(StrEnum):
    """When the tuned model is installed."""

    better = "better"
    always = "always"
    never = "never"


def finetune(
    job: Annotated[
        Path,
        typer.Argument(help="A .json or .toml file, or the folder of a run."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            file_okay=False,
            help="Folder of the run; by default a new one in the user's folder.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run of this folder.")
    ] = False,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="Print one JSON line per event; stop at the line 'stop', or the end, "
            "of stdin.",
        ),
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work."),
    ] = None,
    keep: Annotated[
        Keep, typer.Option(help="Install the model: better, always or never.")
    ] = Keep.better,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Only print, as JSON, how long the training would take here.",
        ),
    ] = False,
) -> None:
    """Fine-tune a model on local subjects; keep it if it is better.

    Reads and reports every subject, trains, compares with the base model on subjects
    that were held out, and installs what is better. Prints the path of the tuned pack.
    Ctrl+C stops with a checkpoint, and --resume continues.

    [bold]Examples[/]

    medsynth finetune job.json

    medsynth finetune job.json --output runs/site-a --keep never

    medsynth finetune runs/site-a --resume
    """
    request = _Request(job, output, resume, devices, keep)
    if estimate:
        say(request.estimate())
        return
    done = follow(request.begin, is_json=events)
    if done is None or events:
        return
    folder = Path(done.pack).parent
    if done.reason == "stopped" and not done.kept:
        note(f"Stopped; continue with: medsynth finetune {folder} --resume")
    elif done.kept:
        command = command_for(get_card(done.kept))
        note(f"Kept: medsynth {command} --model {done.kept} uses it.")
    elif keep is not Keep.never:
        note(f"Not kept; to keep it anyway: medsynth models import {done.pack}")
    say(done.pack)


@dataclass(frozen=True)
class _Request:
    """What was asked for on the command line."""

    job: Path
    output: Path | None
    resume: bool
    devices: int | None
    keep: Keep

    def begin(self) -> tuple[Path, Steps]:
        """Read the job; give the run's folder, and the run."""
        from napari_medsynth.training.finetune import finetune as start

        job = self._job()
        folder = self._folder(job)
        steps = start(job, folder=folder, resume=self.resume, keep=self.keep.value)
        return folder, steps

    def estimate(self) -> str:
        """Measure a few steps; give one line of JSON."""
        from napari_medsynth.training.measure import estimate

        return json.dumps(estimate(self._job()).to_json())

    def _job(self) -> TrainJob:
        from napari_medsynth.training.folder import JOB
        from napari_medsynth.training.job import read_job

        job = read_job(self.job / JOB if self.job.is_dir() else self.job)
        return replace(job, devices=self.devices) if self.devices else job

    def _folder(self, job: TrainJob) -> Path:
        """Choose the folder of the run, the same one in all its processes."""
        from napari_medsynth.training.folder import (
            CHECKPOINT,
            default_folder,
            is_first_process,
        )

        if self.output is not None:
            return self.output.absolute()
        own = self.job if self.job.is_dir() else self.job.parent
        if self.job.is_dir() or (self.resume and (own / CHECKPOINT).is_file()):
            return own.absolute()
        if self.resume:
            raise CardError(
                "--resume needs the folder of a run: medsynth finetune FOLDER --resume."
            )
        if not is_first_process(job) and _FOLDER not in os.environ:
            raise CardError(
                "Processes that are started one by one need --output, the folder of "
                "their run."
            )
        return Path(os.environ.setdefault(_FOLDER, str(default_folder(job))))
