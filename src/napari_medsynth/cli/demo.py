"""``medsynth demo``: the main job on the sample study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for images and pictures.")] = Path(
        "medsynth-demo"
    ),
    show: Annotated[
        bool | None,
        typer.Option(
            "--show/--no-show",
            help="Open a window or not; by default if there can be one.",
        ),
    ] = None,
) -> None:
    """Hide one contrast of the sample study, synthesise it, and look."""
    from napari_medsynth.demo import run_demo

    raise typer.Exit(run_demo(out, show=show))
