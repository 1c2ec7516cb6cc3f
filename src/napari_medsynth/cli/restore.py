"""``medsynth super-resolve`` and ``denoise``: one file in, a better one out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.evaluate.metric_names import METRICS, format_value
from napari_medsynth.io import Volume, read_volume

from ._console import note, say, say_json, show, warn
from ._outputs import check_absent, check_writable, place_of, write_all
from ._progress import follow
from ._tasks import check_command
from .evaluate import AS_IS, rows_as_json, scaling_of
from .synthesize import Plane

if TYPE_CHECKING:
    from napari_medsynth.evaluate import Declaration, Measured

Image_ = Annotated[Path, typer.Argument(metavar="IMAGE", help="File or DICOM folder.")]
Model = Annotated[
    str, typer.Option("--model", "-m", help="Id of a model; see: medsynth models list")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="File or folder to write.")
]
PlaneOption = Annotated[
    Plane | None, typer.Option(help="How to cut slices; what the model learned.")
]
Tile = Annotated[
    int | None,
    typer.Option(min=0, help="Side of tiles in pixels; 0: whole slices. The model's."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Truth = Annotated[
    Path | None, typer.Option("--truth", help="The good image, to measure against.")
]
Window = Annotated[
    str,
    typer.Option(
        metavar="NAME|LOW:HIGH", help="What is measured; see medsynth evaluate."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of a path.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files of an earlier run.")
]

_WORDS = {"super-resolution": "super-resolved", "denoising": "denoised"}
_REPORTED = ("model", "sha256", "task", "factor", "planes", "tile", "device", "notes")
_SHOWN = ("psnr", "ssim", "mae")


def super_resolve(
    image: Image_,
    model: Model,
    output: Output,
    factor: Annotated[
        float | None,
        typer.Option(min=1, help="Times thinner slices; the model's by default."),
    ] = None,
    plane: PlaneOption = None,
    tile: Tile = None,
    device: Device = "auto",
    precision: Precision = "auto",
    truth: Truth = None,
    window: Window = AS_IS,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Make an image finer: smaller pixels, or thinner slices.

    The result covers the area of the image at a finer spacing, says that it is
    synthetic, and has a JSON file with its origin beside it. Not for diagnosis.

    [bold]Examples[/]

    medsynth super-resolve chest.png --model edsr-x2 -o fine/

    medsynth super-resolve thick.nii.gz -m MODEL -o thin.nii.gz --factor 3 --truth
    real.nii.gz
    """
    settings = {"plane": plane and plane.value, "tile": tile, "factor": factor}
    settings |= {"device": device, "precision": precision}
    card = get_card(model)
    check_command(card, "super-resolve")
    job = _Job(card, image, output, settings, overwrite)
    job.run(_Truth(truth, window), noise=False, json=json)


def denoise(
    image: Image_,
    model: Model,
    output: Output,
    plane: PlaneOption = None,
    tile: Tile = None,
    device: Device = "auto",
    precision: Precision = "auto",
    noise: Annotated[
        bool, typer.Option("--noise", help="Write residual and noise map too.")
    ] = False,
    truth: Truth = None,
    window: Window = AS_IS,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Take the noise out of an image; CT keeps its Hounsfield units.

    The result says that it is synthetic, and has a JSON file with its origin beside
    it. Not for diagnosis.

    [bold]Examples[/]

    medsynth denoise quarter.nii.gz --model MODEL -o clean/ --noise

    medsynth denoise quarter.nii.gz -m MODEL -o clean.nii.gz --truth full.nii.gz
    --window soft-tissue
    """
    settings = {"plane": plane and plane.value, "tile": tile}
    settings |= {"device": device, "precision": precision}
    card = get_card(model)
    check_command(card, "denoise")
    job = _Job(card, image, output, settings, overwrite)
    job.run(_Truth(truth, window), noise=noise, json=json)


@dataclass(frozen=True)
class _Truth:
    """The good image, if there is one, and how it is compared."""

    path: Path | None
    window: str

    def measured(
        self, images: dict[str, Volume]
    ) -> tuple[list[Measured], Declaration | None]:
        """Measure images in the whole and in the foreground of the good one."""
        if self.path is None:
            return [], None
        from napari_medsynth.engine.progress import exhausted
        from napari_medsynth.evaluate import declare, measure, regions_of

        real = read_volume(self.path)
        declaration = declare(real, *scaling_of(self.window))
        regions = regions_of(real)
        rows: list[Measured] = []
        for name, volume in images.items():
            steps = measure(volume, real, regions, declaration, model=name)
            rows += exhausted(steps)
        return rows, declaration


@dataclass(frozen=True)
class _Job:
    """One restoration: of what, how, and where it is written."""

    card: ModelCard
    image: Path
    output: Path
    settings: dict[str, Any]
    overwrite: bool

    def run(self, truth: _Truth, *, noise: bool, json: bool) -> None:
        """Read, restore, write and measure; say what was done."""
        scaling_of(truth.window)  # a wrong word is said before a long run
        folder, names = self._places(("residual", "noise") if noise else ())
        volume = read_volume(self.image)
        warn(f"{self.image.name}: {text}" for text in volume.warnings)

        from napari_medsynth.engine import restore  # imports torch: seconds, so here

        start = time.perf_counter()
        steps = restore(volume, self.card, **self.settings)
        result, n_slices = follow(steps, _WORDS[self.card.task])
        seconds = time.perf_counter() - start
        (made,) = result.volumes.values()
        warn(result.provenance["notes"])
        files = write_all(_by_name(volume, made, names), folder)
        rows, declaration = truth.measured(self._compared(volume, made))
        done = {
            "paths": [str(path) for path in files.values()],
            "slices": n_slices,
            "seconds": round(seconds, 3),
            **{key: result.provenance[key] for key in _REPORTED},
            "shape": made.shape,
            "spacing": made.spacing,
        }
        if json:
            say_json(done | _numbers(rows, declaration))
            return
        for path in files.values():
            say(path)
        if declaration is not None:
            _print(rows, declaration)

    def _places(self, maps: tuple[str, ...]) -> tuple[Path, list[str]]:
        """Give the folder, and the names of the image and the maps to write there."""
        words = f"{_WORDS[self.card.task]}-{self.card.id}"
        folder, name = place_of(self.output, self.image, words)
        names = [name, *(_beside(name, one) for one in maps)]
        check_writable(folder)
        if not self.overwrite:
            check_absent(folder, names)
        return folder, names

    def _compared(self, volume: Volume, made: Volume) -> dict[str, Volume]:
        """Give what to measure: the input on the grid of the result, and the result."""
        from napari_medsynth.engine import interpolated

        choices = {key: self.settings.get(key) for key in ("factor", "plane")}
        plain = interpolated(volume, self.card, **choices)
        name = "input" if plain is volume else "cubic interpolation"
        return {name: plain, self.card.title or self.card.id: made}


def _beside(name: str, what: str) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{stem}_{what}{dot}{suffix}"


def _by_name(volume: Volume, made: Volume, names: list[str]) -> dict[str, Volume]:
    """Give the result by file name, and residual and noise map if they have names."""
    if len(names) == 1:
        return {names[0]: made}
    from napari_medsynth.engine import noise_map, residual

    taken = residual(volume, made)
    return dict(zip(names, (made, taken, noise_map(taken)), strict=True))


def _print(rows: list[Measured], declaration: Declaration) -> None:
    table = Table(box=None)
    table.add_column("", overflow="fold")
    for name in _SHOWN:
        table.add_column(escape(METRICS[name].title), justify="right", no_wrap=True)
    for region in dict.fromkeys(row.region for row in rows):
        table.add_row(f"[bold]{escape(region)}[/]")
        for row in rows:
            if row.region == region:
                numbers = (format_value(n, row.values.get(n)) or "-" for n in _SHOWN)
                table.add_row(escape(row.model), *numbers)
    show(table, "")
    say(declaration.sentence)
    for remark in dict.fromkeys(text for row in rows for text in row.notes):
        note(remark)


def _numbers(rows: list[Measured], declaration: Declaration | None) -> dict[str, Any]:
    if declaration is None:
        return {}
    return {"declaration": declaration.to_json(), "measured": rows_as_json(rows)}
