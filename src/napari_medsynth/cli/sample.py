"""``medsynth sample``: simulated subjects as files, to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._console import say


def sample(
    folder: Annotated[
        Path, typer.Argument(help="New folder: one folder per subject is made in it.")
    ],
    subjects: Annotated[
        int, typer.Option("--subjects", "-n", min=1, max=100, help="How many.")
    ] = 6,
) -> None:
    """Write simulated subjects of one site, whose scanner no model has seen.

    T1, T2, PD and FLAIR as NIfTI files: a cohort to try fine-tuning on.
    """
    from napari_medsynth.errors import VolumeError
    from napari_medsynth.io import write_volume
    from napari_medsynth.simulate import site_studies

    if folder.exists() and any(folder.iterdir()):
        raise VolumeError(f"{folder} is not empty: name a new folder for the subjects.")
    for number, study in enumerate(site_studies(subjects), start=1):
        place = folder / f"subject-{number:02d}"
        for modality, volume in study.volumes.items():
            write_volume(volume, place / f"{modality}.nii.gz")
        say(place)
