"""``medsynth degrade``: a worse image of a good one, to try restoration on."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_medsynth import __version__
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, read_volume

from ._console import note, say
from ._outputs import check_absent, check_writable, place_of, write_all
from .synthesize import Plane


class Kind(StrEnum):
    """What makes the image worse."""

    downsample = "downsample"
    thick_slices = "thick-slices"
    low_dose = "low-dose"
    rician = "rician"


# Options of each kind, and what they are without being given.
_DEFAULTS: dict[Kind, dict[str, Any]] = {
    Kind.downsample: {"factor": 2, "method": "area", "noise": 0.0},
    Kind.thick_slices: {"factor": 2, "profile": "gaussian", "noise": 0.0},
    Kind.low_dose: {"dose": 0.25, "photons": 1e6, "electronic": 10.0},
    Kind.rician: {"sigma": 0.05},
}


def degrade(
    image: Annotated[Path, typer.Argument(help="A good image; HU for low-dose.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File or folder to write.")
    ],
    kind: Annotated[Kind, typer.Option("--kind", "-k", help="What makes it worse.")],
    factor: Annotated[
        int | None, typer.Option(min=1, help="Times larger voxels: 2.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="downsample: area, bicubic or kspace.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="thick-slices: gaussian or box.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option(help="Share of the 99.5 percentile, after it.")
    ] = None,
    dose: Annotated[
        float | None, typer.Option(help="low-dose: share of the full dose: 0.25.")
    ] = None,
    photons: Annotated[
        float | None, typer.Option(help="low-dose: per detector pixel, full dose: 1e6.")
    ] = None,
    electronic: Annotated[
        float | None,
        typer.Option(help="low-dose: noise of the detector in photons: 10."),
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="rician: share of the 99.5 percentile: 0.05.")
    ] = None,
    plane: Annotated[
        Plane, typer.Option(help="Whose rows and columns get larger.")
    ] = Plane.axial,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file of an earlier run.")
    ] = False,
) -> None:
    """Make an image worse, to test super-resolution and denoising on.

    Fewer pixels, thick slices, a low CT dose, or the noise of MR. The file says how it
    was made.

    [bold]Examples[/]

    medsynth degrade chest.png -o low/ --kind downsample --factor 2

    medsynth degrade T1.nii.gz -o thick.nii.gz --kind thick-slices --factor 3

    medsynth degrade ct.nii.gz -o quarter.nii.gz --kind low-dose --dose 0.25
    """
    given = {
        "factor": factor,
        "method": method,
        "profile": profile,
        "noise": noise,
        "dose": dose,
        "photons": photons,
        "electronic": electronic,
        "sigma": sigma,
    }
    spec = _spec(kind, {k: v for k, v in given.items() if v is not None})
    folder, name = place_of(output, image, kind.value)
    check_writable(folder)
    if not overwrite:
        check_absent(folder, [name])
    volume = read_volume(image)
    worse = _worse(volume, spec, plane.value, seed)
    files = write_all({name: worse}, folder)
    shape = " x ".join(str(n) for n in worse.shape)
    note(f"{shape} voxels of {' x '.join(f'{s:g}' for s in worse.spacing)} mm")
    say(files[name])


def _spec(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Put a degradation together; refuse options that belong to another kind."""
    defaults = _DEFAULTS[kind]
    for option in given:
        if option not in defaults:
            known = ", ".join(f"--{name}" for name in defaults)
            raise typer.BadParameter(
                f"--{option} does not belong to {kind.value}, which has {known}."
            )
    values = {**defaults, **given}
    if kind == Kind.downsample:
        values["factor"] = [values["factor"]] * 2
    if kind == Kind.thick_slices:
        values["factor"] = [values["factor"], 1]
    return {"kind": kind.value, **values}


def _worse(volume: Volume, spec: dict[str, Any], plane: str, seed: int) -> Volume:
    import numpy as np

    from napari_medsynth.simulate import degrade_volume

    if spec["kind"] == Kind.low_dose and volume.modality not in ("CT", ""):
        raise VolumeError(
            f"A low dose is simulated for CT in HU, and this is {volume.modality}: "
            "choose rician for MR."
        )
    worse = degrade_volume(volume, spec, np.random.default_rng(seed), plane=plane)
    provenance = {
        **worse.metadata["provenance"],  # with the degradation, as it was drawn
        "software": "napari-medsynth",
        "version": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "sources": {volume.modality or "image": {"name": volume.name}},
        "seed": seed,
        "notes": ["Made worse on purpose, of a better image."],
    }
    marks = {"synthetic": True, "provenance": provenance}
    return worse.with_data(worse.data, metadata={**worse.metadata, **marks})
