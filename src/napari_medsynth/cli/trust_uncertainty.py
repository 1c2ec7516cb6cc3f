"""``medsynth trust uncertainty``: several syntheses, their mean and their spread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._console import note, say, say_json
from ._inputs import parse_modality, parse_slices
from ._outputs import write_all
from ._trust_options import (
    AsJson,
    Device,
    Inputs,
    Overwrite,
    PlaneOption,
    Slices,
    check_output,
    read_subject,
    shown_to,
)
from ._variants import (
    MethodOption,
    Models,
    Settings,
    Variants,
    facts_of,
    settings_of,
)
from .synthesize import Plane

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.io import Volume
    from napari_medsynth.trust.uncertainty import Uncertainty


_KINDS = ("mean", "spread", "half-width", "do-not-trust")


def uncertainty(
    inputs: Inputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="Folder to write.")
    ],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", metavar="CONTRAST...", help="What to make."),
    ] = None,
    model: Models = None,
    method: MethodOption = None,
    variants: Variants = 8,
    plane: PlaneOption = Plane.axial,
    slices: Slices = "all",
    limit: Annotated[
        float,
        typer.Option(min=0.001, max=1, help="Share of the range not to be off by."),
    ] = 0.2,
    device: Device = "auto",
    json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Synthesise several times, and say how far the results differ.

    Writes their mean and their spread (standard deviation). After medsynth trust
    calibrate, also half the width of the interval that holds the truth, and a hatched
    mask of where that is more than --limit of the range.

    [bold]Example[/]

    medsynth trust uncertainty -i T1=a.nii.gz T2=b.nii.gz -t FLAIR -o out/
    """
    settings = settings_of(model, method, variants, plane.value, device)
    patterns = [f"*_{kind}-{settings.card.id}.nii.gz" for kind in _KINDS]
    check_output(output, patterns, overwrite)
    study = read_subject(inputs)
    targets = [parse_modality(word) for word in target or ()] or None

    from napari_medsynth.engine.prepared import prepare_study

    study = shown_to(settings.card, study, plane.value)
    prepared = prepare_study(study, settings.card, targets=targets, plane=plane.value)
    found = settings.run(
        prepared, settings.networks(), parse_slices(slices), ", ".join(prepared.targets)
    )
    volumes, report = {}, {}
    for one in prepared.targets:
        made, report[one] = _judged(settings, prepared, found, one, limit)
        volumes.update(made)
    paths = [str(path) for path in write_all(volumes, output).values()]
    if json:
        say_json({"paths": paths, "targets": report})
        return
    for path in paths:
        say(path)
    for one, facts in report.items():
        note(f"{one}: {facts['statement']}")


def _judged(
    settings: Settings,
    prepared: Prepared,
    found: Uncertainty,
    target: str,
    limit: float,
) -> tuple[dict[str, Volume], dict[str, Any]]:
    """Give the volumes to write by file name, and what to say of one target."""
    from napari_medsynth.engine.metrics import foreground
    from napari_medsynth.trust.calibration import load_calibration
    from napari_medsynth.trust.conformal import half_width
    from napari_medsynth.trust.do_not_trust import do_not_trust

    mean, spread, card = found.mean[target], found.spread[target], settings.card
    data_range, inside = found.ranges[target], foreground(mean.data[0])
    volumes = {"mean": mean, "spread": spread}
    share = float(spread.data[0][inside].mean() / data_range) if inside.any() else 0.0
    facts: dict[str, Any] = {"mean_spread": share, "calibration": None}
    known = load_calibration(
        card,
        target,
        sources=prepared.available,
        method=settings.key,
        plane=settings.plane,
    )
    if known is None:
        facts["statement"] = (
            f"The spread is {100 * share:.1f} % of the range on average, which is not "
            "the error: for an interval, run medsynth trust calibrate first."
        )
    else:
        data = half_width(spread.data, known, data_range=data_range)
        wide = spread.with_data(data, name=f"{target} half width of the interval")
        marked = do_not_trust(
            wide, data_range=data_range, limit=limit, mask=inside, plane=settings.plane
        )
        volumes |= {"half-width": wide, "do-not-trust": marked}
        facts |= {
            "calibration": facts_of(known),
            "untrusted_share": marked.metadata["marked_share"],
            "statement": known.statement,
        }
    named = {
        f"{target}_{kind}-{card.id}.nii.gz": volume for kind, volume in volumes.items()
    }
    return named, facts
