"""``medsynth train``: a model pack from a model of the catalogue, or a job in TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._console import note, say
from ._train_request import TrainRequest
from ._training_run import follow


def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Id of a model whose network is trained from fresh weights (medsynth "
            "models list), or a TOML file that says all.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Pack to write instead of the file's."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Scans to learn from: a folder per subject, or BIDS."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(metavar="CONTRAST...", help="Inputs instead of the model's."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(metavar="CONTRAST...", help="Outputs instead of the model's."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE...",
            help="Settings instead of the recipe's: learning_rate=1e-4 epochs=20.",
        ),
    ] = None,
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulated",
            help="Learn from made-up heads; with --folder, half of the slices.",
        ),
    ] = False,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the work."),
    ] = None,
) -> None:
    """Train a model from the start; print the path of its pack.

    Ctrl+C stops with a checkpoint, and the same command continues.
    """
    request = TrainRequest(
        what=model,
        output=output,
        folder=folder,
        inputs=tuple(inputs or ()),
        outputs=tuple(outputs or ()),
        settings=tuple(settings or ()),
        is_simulated=simulated,
        devices=devices,
    )
    done = follow(request.begin)
    if done is None:
        return
    if done.reason == "stopped":
        note("Stopped; the same command continues.")
    else:
        say(done.pack)
