"""``medsynth evaluate``: syntheses against the real image, in numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate.metric_names import METRICS, format_value
from napari_medsynth.evaluate.windows import WINDOWS
from napari_medsynth.io import Volume, read_volume

from ._console import note, say, say_json, show, warn

if TYPE_CHECKING:
    from napari_medsynth.evaluate import Declaration, Measured, Region

AS_IS = "as-is"


def evaluate(
    synthetic: Annotated[
        list[Path],
        typer.Argument(metavar="SYNTHETIC...", help="One or several syntheses."),
    ],
    truth: Annotated[
        Path, typer.Option("--truth", help="The real image that was to be made.")
    ],
    labels: Annotated[
        list[Path] | None,
        typer.Option("--labels", "-l", help="Masks to measure in, label by label."),
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--source", help="What it was made of, for the pictures."),
    ] = None,
    window: Annotated[
        str,
        typer.Option(
            metavar="NAME|LOW:HIGH",
            help=f"{', '.join(WINDOWS)} [HU], two numbers, or {AS_IS}; else percentiles"
            " of each image.",
        ),
    ] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", dir_okay=False, help="Table to write.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Report to write.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
) -> None:
    """Measure syntheses against the real image.

    MAE, RMSE, PSNR, SSIM, MS-SSIM and NMSE in the whole image, in the foreground and in
    every label of the masks, with the scaling declared beside them.

    [bold]Examples[/]

    medsynth evaluate out/FLAIR_synthetic-resvit-starter.nii.gz --truth FLAIR.nii.gz

    medsynth evaluate a.nii.gz b.nii.gz --truth ct.nii.gz --labels organs.nii.gz
    --window soft-tissue --csv numbers.csv --html report.html
    """
    scaling = scaling_of(window)
    made, real = _named(synthetic), read_volume(truth)
    masks = _named(labels or ())
    _warn(made, real, window)

    from napari_medsynth.engine.progress import exhausted
    from napari_medsynth.evaluate import declare, labels_on, measure, regions_of

    declaration = declare(real, *scaling)
    regions = regions_of(real, {name: labels_on(v, real) for name, v in masks.items()})
    rows: list[Measured] = []
    for name, volume in made.items():
        steps = measure(volume, real, regions, declaration, model=name)
        rows += exhausted(steps)
    if csv:
        from napari_medsynth.evaluate import write_csv

        note(f"Table: {write_csv(csv, rows, declaration)}")
    if html:
        page = _Page(html, made, real, _named(source or ()), list(masks))
        note(f"Report: {page.write(rows, regions, declaration)}")
    if json:
        say_json(_as_json(rows, declaration))
    else:
        _print(rows, declaration)


def scaling_of(window: str) -> tuple[Any, ...]:
    """Give the arguments of `declare` that --window stands for."""
    if not window:
        return ("percentile",)
    if window == AS_IS:
        return ("as is",)
    if window in WINDOWS:
        return "window", WINDOWS[window]
    try:
        low, high = map(float, window.split(":"))
    except ValueError:
        raise typer.BadParameter(
            f"--window is one of {', '.join(WINDOWS)}, {AS_IS}, or two numbers such as "
            f"-150:250; got {window!r}."
        ) from None
    return "window", (low, high)


def _named(paths: Sequence[Path]) -> dict[str, Volume]:
    """Read files; where two have one name, the folder tells them apart."""
    volumes: dict[str, Volume] = {}
    for path in paths:
        volume = read_volume(path)
        name = volume.name or path.name
        if name in volumes:
            name = f"{path.absolute().parent.name}/{name}"
        if name in volumes:
            raise VolumeError(f"{path} is given twice; give each file once.")
        volumes[name] = volume
    return volumes


def _warn(made: Mapping[str, Volume], real: Volume, window: str) -> None:
    warn(
        f"{name} is not marked as synthetic."
        for name, volume in made.items()
        if not volume.is_synthetic
    )
    if real.is_synthetic:
        warn([f"{real.name}, the truth, is marked as synthetic."])
    if real.modality == "CT" and not window:
        warn(["CT has a unit; percentiles ignore it. Give a --window."])


@dataclass(frozen=True)
class _Page:
    """The HTML report: where to write it, and what was compared."""

    path: Path
    made: Mapping[str, Volume]
    real: Volume
    sources: Mapping[str, Volume]
    masks: Sequence[str]

    def write(
        self,
        rows: Sequence[Measured],
        regions: Sequence[Region],
        declaration: Declaration,
    ) -> Path:
        from napari_medsynth.evaluate import report_pictures, write_report

        return write_report(
            self.path,
            title=f"Synthetic {self.real.modality or 'image'} against the real one",
            rows=rows,
            declaration=declaration,
            pictures=report_pictures(
                self.made, self.real, regions, declaration, sources=self.sources
            ),
            settings={
                "syntheses": ", ".join(self.made),
                "real image": self.real.name,
                "masks": ", ".join(self.masks) or "none",
                "scaling": declaration.to_json(),
            },
            provenance={
                name: volume.metadata.get("provenance") or "unknown"
                for name, volume in self.made.items()
            },
        )


def _print(rows: Sequence[Measured], declaration: Declaration) -> None:
    from napari_medsynth.evaluate import remarks_of

    table = Table(box=None)
    table.add_column("", overflow="fold")
    for heading in ("voxels", *(metric.title for metric in METRICS.values())):
        table.add_column(escape(heading), justify="right", no_wrap=True)
    for region in dict.fromkeys(row.region for row in rows):
        table.add_row(f"[bold]{escape(region)}[/]")
        for row in rows:
            if row.region == region:
                numbers = (format_value(n, row.values.get(n)) or "-" for n in METRICS)
                table.add_row(escape(row.model), str(row.n_voxels), *numbers)
    show(table, "")
    say(declaration.sentence)
    for remark in remarks_of(rows):
        note(remark)


def _as_json(rows: Sequence[Measured], declaration: Declaration) -> dict[str, Any]:
    return {"declaration": declaration.to_json(), "rows": rows_as_json(rows)}


def rows_as_json(rows: Sequence[Measured]) -> list[dict[str, Any]]:
    """Give measured rows as JSON values."""
    return [
        {
            "model": row.model,
            "region": row.region,
            "voxels": row.n_voxels,
            # JSON knows no infinity: the PSNR of equal images is null.
            "values": {
                name: value if isfinite(value) else None
                for name, value in row.values.items()
            },
            "reasons": dict(row.reasons),
            "notes": list(row.notes),
        }
        for row in rows
    ]
