"""``medsynth train``: a model pack from a training configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from ._console import say


def train(
    config: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Pack to write instead of the config's."),
    ] = None,
) -> None:
    """Train a model as a configuration file says; print the path of its pack."""
    from napari_medsynth.training import train_from_config

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    say(train_from_config(config, output=output))
