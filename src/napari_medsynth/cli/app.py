"""The program ``medsynth`` and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_medsynth import __version__

from .degrade import degrade
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .explain import explain
from .finetune import finetune
from .models import models
from .restore import denoise, super_resolve
from .sample import sample
from .synthesize import synthesize
from .train import train
from .trust import trust
from .words import WordsCommand

app = typer.Typer(
    name="medsynth",
    help="Synthesise the medical image that was never acquired. Not a medical device.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a traceback is for a bug, and then plain
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")
app.add_typer(trust, name="trust")
app.command(cls=WordsCommand)(synthesize)
app.command()(super_resolve)
app.command()(denoise)
app.command()(degrade)
app.command()(demo)
app.command()(doctor)
app.command(cls=WordsCommand)(evaluate)
app.command()(explain)
app.command()(finetune)
app.command()(sample)
app.command(cls=WordsCommand)(train)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medsynth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Synthesise the medical image that was never acquired. Not a medical device."""
