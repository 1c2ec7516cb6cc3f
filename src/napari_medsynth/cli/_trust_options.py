"""Options that the commands of ``medsynth trust`` share, and the maps they write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError

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


def shown_to(card: ModelCard, study: Study, plane: str) -> Study:
    """Give the images as a model sees them: what it restores, on the result's grid.

    Raises
    ------
    CardError
        If the model does not see slices of this plane.
    """
    if not card.is_restoration:
        return study
    from napari_medsynth.simulate import present_volume

    if card.degradation["kind"] == "thick-slices" and plane not in card.planes:
        raise CardError(
            f"{card.title} sees thick slices from the side: choose a --plane of "
            f"{' or '.join(card.planes)}."
        )
    if len(study.volumes) != 1:
        raise CardError(
            f"{card.title} restores one image, got {', '.join(study.modalities)}: name "
            "one of them."
        )
    (volume,) = study.volumes.values()
    shown = present_volume(volume, card, plane=plane)
    return replace(study, volumes={card.inputs[0]: shown})


def refuse_restoration(card: ModelCard, what: str) -> None:
    """Refuse a model of one image where `what` needs several contrasts.

    Raises
    ------
    CardError
        If so.
    """
    if card.is_restoration:
        raise CardError(
            f"{card.title} restores one image, and {what} needs models that make one "
            "contrast from others: choose one of those."
        )


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
