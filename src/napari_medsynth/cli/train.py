"""``medsynth train``: a model pack from a training job in TOML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import note, say
from ._training_run import follow

if TYPE_CHECKING:
    from napari_medsynth.training.finetune import Steps


def train(
    config: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Pack to write instead of the config's."),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work."),
    ] = None,
) -> None:
    """Train a model as a configuration file says; print the path of its pack.

    Ctrl+C stops with a checkpoint, and the same command continues.
    """
    done = follow(_Request(config, output, devices).begin)
    if done is None:
        return
    if done.reason == "stopped":
        note("Stopped; the same command continues.")
    else:
        say(done.pack)


@dataclass(frozen=True)
class _Request:
    """What was asked for on the command line."""

    config: Path
    output: Path | None
    devices: int | None

    def begin(self) -> tuple[Path, Steps]:
        """Read the job; give the run's folder, and the run."""
        from napari_medsynth.training.job import read_job
        from napari_medsynth.training.scratch import pack_path, run_folder, train_pack

        job = read_job(self.config)
        if self.devices:
            job = replace(job, devices=self.devices)
        target = pack_path(job, self.config, self.output)
        return run_folder(target), train_pack(job, target)
