"""``medsynth synthesize``: files in, synthetic files out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.errors import CardError
from napari_medsynth.io.sidecar import SUFFIXES

from ._console import say, say_json, warn
from ._inputs import parse_inputs, parse_modality, parse_slices, read_inputs
from ._outputs import (
    attention_name,
    check_absent,
    check_writable,
    image_name,
    write_all,
)
from ._progress import follow
from ._tasks import check_command

if TYPE_CHECKING:
    from napari_medsynth.engine import Result
    from napari_medsynth.io import Study, Volume


class Plane(StrEnum):
    """Which way the volume is cut into slices."""

    axial = "axial"
    coronal = "coronal"
    sagittal = "sagittal"


class Attention(StrEnum):
    """Which summary of the attention is written too."""

    rollout = "rollout"
    chain = "chain"
    mean = "mean"


_REPORTED = (
    "model",
    "sha256",
    "sources",
    "targets",
    "plane",
    "device",
    "precision",
    "notes",
    "passport",
)


def synthesize(
    inputs: Annotated[
        list[str],
        typer.Option(
            "--inputs",
            "-i",
            metavar="[CONTRAST=]PATH...",
            help="Files or folders of one subject; contrasts not named are guessed.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", file_okay=False, help="Folder to write to."),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="CONTRAST...",
            help="What to make; by default all that the model makes and is missing.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Id of a model; see: medsynth models list"),
    ] = "starter",
    plane: Annotated[Plane, typer.Option(help="How to cut slices.")] = Plane.axial,
    slices: Annotated[
        str, typer.Option(help="all, 50, 10,20 or 40:60 (60 excluded), from 0.")
    ] = "all",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    attention: Annotated[
        list[Attention] | None, typer.Option(help="Write where the model looked.")
    ] = None,
    suffix: Annotated[
        str, typer.Option(help=f"Format to write: {', '.join(SUFFIXES)}.")
    ] = ".nii.gz",
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of paths.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of an earlier run.")
    ] = False,
) -> None:
    """Synthesise missing contrasts of one subject.

    The result has the grid of the first source, says that it is synthetic, and has a
    JSON file with its origin beside it. Not for diagnosis.

    [bold]Examples[/]

    medsynth synthesize --inputs T1=a.nii.gz T2=b.nii.gz --target FLAIR --model starter
    -o out/

    medsynth synthesize --inputs dicom-folder/ --target PD FLAIR -o out/

    medsynth synthesize -i sub-01_T1w.nii.gz -t T2 --slices 40:60 --attention rollout
    -o out/
    """
    card = get_card(model)
    check_command(card, "synthesize")
    job = _Job(
        card,
        [parse_modality(word, card.outputs) for word in target or ()],
        {
            "plane": plane.value,
            "slices": parse_slices(slices),
            "device": device,
            "precision": precision,
            "attention": tuple(kind.value for kind in attention or ()),
        },
        output,
        _known(suffix),
        overwrite,
    )
    report = job.run(*parse_inputs(inputs, card.inputs))
    if json:
        say_json(report)
    else:
        for path in report["paths"]:
            say(path)


@dataclass(frozen=True)
class _Job:
    """One synthesis: what to make, how, and where to write it."""

    card: ModelCard
    targets: list[str]
    settings: dict[str, Any]
    folder: Path
    suffix: str
    overwrite: bool

    def run(self, named: dict[str, Path], unnamed: list[Path]) -> dict[str, Any]:
        """Read, synthesise and write; say what was done as JSON values."""
        if self.targets and not unnamed:  # known before anything is read
            self._check(set(named), self.targets)
        study = read_inputs(named, unnamed)
        for modality in study.modalities:
            warn(f"{modality}: {text}" for text in study[modality].warnings)
        warn(study.notes)
        targets = self.targets or [m for m in self.card.outputs if m not in study]
        self._check(set(study.modalities), targets)

        from napari_medsynth.engine import predict  # imports torch: seconds, so here

        start = time.perf_counter()
        steps = predict(study, self.card, targets=targets, **self.settings)
        result, n_slices = follow(steps, ", ".join(targets))
        result = self._with_passport(result, study, targets)
        seconds = time.perf_counter() - start
        files = write_all(self._by_name(result), self.folder)
        return {
            "paths": [str(path) for path in files.values()],
            "slices": n_slices,
            "seconds": round(seconds, 3),
            **{key: result.provenance[key] for key in _REPORTED},
        }

    def _with_passport(
        self, result: Result, study: Study, targets: list[str]
    ) -> Result:
        """Look at the sources, warn, and note it in the provenance."""
        from napari_medsynth.trust.passport import inspect, stamped  # scipy: only here

        shown, plane = result.provenance["sources"], self.settings["plane"]
        passport = inspect(study, self.card, shown, targets, plane=plane)
        warn(check.sentence for check in passport.objections)
        return stamped(result, passport)

    def _check(self, sources: set[str], targets: list[str]) -> None:
        """Refuse what cannot be made or written, before a long run."""
        if reason := self.card.why_not(sources, targets):
            raise CardError(reason)
        check_writable(self.folder)
        if not self.overwrite:
            names = [
                image_name(target, self.card.id, self.suffix) for target in targets
            ]
            names += [
                attention_name(f"{kind}*", self.card.id, self.suffix)
                for kind in self.settings["attention"]
            ]
            check_absent(self.folder, names)

    def _by_name(self, result: Result) -> dict[str, Volume]:
        """Give all volumes to write by file name."""
        images = {
            image_name(target, self.card.id, self.suffix): volume
            for target, volume in result.volumes.items()
        }
        maps = {
            attention_name(kind, self.card.id, self.suffix): volume
            for kind, volume in result.attention.items()
        }
        return images | maps


def _known(suffix: str) -> str:
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise typer.BadParameter(f"--suffix must be one of {known}; got {suffix!r}.")
    return suffix
