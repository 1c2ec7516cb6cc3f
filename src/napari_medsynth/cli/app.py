"""The program ``medsynth``: its commands, and how errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from napari_medsynth import __version__
from napari_medsynth.errors import MedSynthError

from ._console import fail
from .demo import demo
from .doctor import doctor
from .models import models
from .synthesize import synthesize
from .train import train
from .words import WordsCommand

FAILED, INTERRUPTED = 1, 130

app = typer.Typer(
    name="medsynth",
    help="Synthesise the medical image that was never acquired. Not a medical device.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")
app.command(cls=WordsCommand)(synthesize)
app.command()(demo)
app.command()(doctor)
app.command()(train)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``medsynth`` and exit.

    Exit codes: 0 done; 1 refused, with one sentence on stderr; 2 wrong usage; 130
    interrupted.
    """
    try:
        app(args=arguments, prog_name="medsynth")
    except MedSynthError as err:
        fail(str(err))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


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
