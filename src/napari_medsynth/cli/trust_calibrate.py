"""``medsynth trust calibrate``: how wide an interval must be at this site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Study, read_study

from ._console import note, say, say_json, warn
from ._inputs import parse_modality
from ._progress import follow_share
from ._trust_options import AsJson, Device, PlaneOption, refuse_restoration
from ._variants import (
    MethodOption,
    Models,
    Variants,
    facts_of,
    settings_of,
)
from .synthesize import Plane

if TYPE_CHECKING:
    from napari_medsynth.training.data.samples import Subject
    from napari_medsynth.trust.local_cases import Calibrated, CalibrationStep


def calibrate(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Complete subjects.")
    ],
    target: Annotated[
        str, typer.Option("--target", "-t", metavar="CONTRAST", help="What to make.")
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            metavar="CONTRAST...",
            help="What to make it of; by default all that every subject has.",
        ),
    ] = None,
    model: Models = None,
    method: MethodOption = None,
    variants: Variants = 8,
    plane: PlaneOption = Plane.axial,
    step: Annotated[
        int, typer.Option("--step", min=1, help="Run every n-th slice only.")
    ] = 4,
    coverage: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Share of the voxels to hold.")
    ] = 0.9,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Share of patients to hold it in.")
    ] = 0.9,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Measure on local subjects how wide an interval must be, and keep it.

    Every subject needs the target and the sources: the target is hidden, synthesised
    several times, and compared. None of them may have been trained on. To hold for
    90 % of patients it takes at least 9; with fewer, the interval is a guess and says
    so.

    [bold]Example[/]

    medsynth trust calibrate cohort/ --target FLAIR --source T1 T2
    """
    settings = settings_of(model, method, variants, plane.value, device)
    goal = parse_modality(target)
    wanted = [parse_modality(word) for word in source or ()]
    subjects, sources = _usable(folder, settings.card, goal, wanted)

    from napari_medsynth.trust.calibration import save_calibration
    from napari_medsynth.trust.local_cases import LocalSubject, calibrate_on

    steps = calibrate_on(
        [
            LocalSubject(s.name, s.files, partial(_read, s.files), s.person)
            for s in subjects
        ],
        settings.networks(),
        targets=[goal],
        sources=sources,
        method=settings.method,
        n=settings.variants,
        plane=plane.value,
        step=step,
        coverage=coverage,
        confidence=confidence,
    )
    found: Calibrated = follow_share(steps, "calibration", _share)
    warn(found.problems)
    (result,) = found.calibrations
    path = save_calibration(settings.card, result)
    if json:
        say_json(facts_of(result))
    else:
        say(result.statement)
        note(f"Kept in {path} for {result.purpose}.")


def _usable(
    folder: Path, card: ModelCard, target: str, wanted: Sequence[str]
) -> tuple[list[Subject], list[str]]:
    """Give the subjects with target and sources, and the sources."""
    refuse_restoration(card, "the calibration")
    from napari_medsynth.training.data.cohort import find_subjects
    from napari_medsynth.training.data.samples import contrasts_of
    from napari_medsynth.training.job import DataConfig

    found = find_subjects(DataConfig(folder=str(folder)), contrasts_of(card))
    with_target = [subject for subject in found if target in subject.files]
    common = [
        m
        for m in card.inputs
        if m != target and all(m in subject.files for subject in with_target)
    ]
    sources = [m for m in card.inputs if m in wanted] if wanted else common
    if reason := card.why_not(sources, [target]):
        raise CardError(reason)
    usable = [s for s in with_target if all(m in s.files for m in sources)]
    if not usable:
        raise VolumeError(
            f"No subject in {folder} has {target} and {', '.join(sources)}: "
            "calibration needs subjects with all of them."
        )
    left_out = [s.name for s in found if s not in usable]
    warn(f"{name} is left out: it lacks a contrast." for name in left_out)
    return usable, sources


def _read(files: Mapping[str, str], contrasts: Sequence[str]) -> Study:
    return read_study({contrast: files[contrast] for contrast in contrasts})


def _share(step: CalibrationStep) -> tuple[float, str]:
    return step.share, f"subject {step.subject}/{step.n_subjects}: {step.sentence}"
