"""What the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.markup import escape


def say(text: object) -> None:
    """Write one plain line, a path for example, to stdout; never wrapped."""
    typer.echo(str(text))


def say_json(value: Any) -> None:
    """Write a JSON value to stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show(*renderables: RenderableType) -> None:
    """Write tables and the like to stdout."""
    Console().print(*renderables, sep="\n")


def fail(sentence: str) -> None:
    """Write why the command failed."""
    _tell("[bold red]Error:[/] ", sentence)


def warn(sentences: Iterable[str]) -> None:
    """Write what the user should know."""
    for sentence in sentences:
        _tell("[yellow]Warning:[/] ", sentence)


def note(sentence: str) -> None:
    """Write what is going on."""
    _tell("", sentence)


def _tell(prefix: str, sentence: str) -> None:
    # soft_wrap: a path that is broken over two lines cannot be copied
    console = Console(stderr=True, highlight=False)
    console.print(prefix + escape(sentence), soft_wrap=True)
