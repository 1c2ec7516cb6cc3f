"""Options that the commands of ``medsynth trust`` share, and the maps they write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._console import warn
from ._inputs import parse_inputs, read_inputs
from ._outputs import check_absent, check_writable, write_all
from .synthesize import Plane

if TYPE_CHECKING:
    from napari_medsynth.io import Study, Volume

Inputs = Annotated[
    list[str],
    typer.Option(
        "--inputs",
        "-i",
        metavar="[CONTRAST=]PATH...",
        help="Files or folders of one subject; contrasts not named are guessed.",
    ),
]
Model = Annotated[
    str, typer.Option("--model", "-m", help="Id of a model; see: medsynth models list")
]
PlaneOption = Annotated[Plane, typer.Option(help="How to cut slices.")]
Slices = Annotated[
    str, typer.Option(help="all, 50, 10,20 or 40:60 (60 excluded), from 0.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", file_okay=False, help="Write maps to this folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files of an earlier run.")
]


def read_subject(words: list[str]) -> Study:
    """Read what ``--inputs`` names, and say what was odd about it."""
    study = read_inputs(*parse_inputs(words))
    for modality in study.modalities:
        warn(f"{modality}: {text}" for text in study[modality].warnings)
    warn(study.notes)
    return study


def check_output(folder: Path | None, patterns: Iterable[str], overwrite: bool) -> None:
    """Refuse, before a long run, to write where something is or nothing can be."""
    if folder is None:
        return
    check_writable(folder)
    if not overwrite:
        check_absent(folder, patterns)


def write_maps(maps: Mapping[str, Volume], folder: Path | None) -> list[str]:
    """Write maps by file name, if a folder was named; give the paths."""
    if folder is None:
        return []
    return [str(path) for path in write_all(dict(maps), folder).values()]
