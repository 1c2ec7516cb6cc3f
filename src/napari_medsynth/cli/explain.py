"""``medsynth explain``: where a model looked, as a map over the anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps as to_json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medsynth.catalogue import get_card
from napari_medsynth.errors import VolumeError
from napari_medsynth.explain.methods import METHODS, MapSource

from ._console import say, say_json, warn
from ._explain_place import Place, parse_place, place_of
from ._explain_words import caption, facts_of, honesty_share, show_facts
from ._inputs import parse_modality
from ._progress import follow_share
from ._trust_options import (
    AsJson,
    Device,
    Model,
    Overwrite,
    PlaneOption,
    check_output,
    read_subject,
    shown_to,
    write_maps,
)
from .synthesize import Plane

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.explain import Honesty, SliceRecord
    from napari_medsynth.explain.volumes import MakeMap
    from napari_medsynth.io import Volume


def explain(
    study: Annotated[
        list[str],
        typer.Argument(
            metavar="[CONTRAST=]PATH...",
            help="Files or folders of one subject; contrasts not named are guessed.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            metavar="CONTRAST",
            help="What is made; by default the first that the model makes and is "
            "missing.",
        ),
    ] = "",
    model: Model = "starter",
    method: Annotated[
        str, typer.Option(help=f"How the map is made: {', '.join(METHODS)}.")
    ] = "rollout",
    block: Annotated[
        str, typer.Option(help="Transformer block, such as art_1; by default all.")
    ] = "",
    layer: Annotated[int, typer.Option(min=1, help="Of the methods layer, head.")] = 1,
    head: Annotated[int, typer.Option(min=1, help="Of the method head.")] = 1,
    plane: PlaneOption = Plane.axial,
    slice_: Annotated[
        int | None,
        typer.Option("--slice", min=0, help="From 0; by default the widest."),
    ] = None,
    query: Annotated[
        str,
        typer.Option(
            metavar="S,P,L|ROW,COL",
            help="Ask about one place: millimetres to superior, posterior and left, "
            "or pixels of the slice.",
        ),
    ] = "",
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Ask what used the place.")
    ] = False,
    all_slices: Annotated[
        bool, typer.Option("--all-slices", help="Make a map of every slice.")
    ] = False,
    honesty: Annotated[
        bool,
        typer.Option(
            "--honesty",
            help="Test the map of the slice: shuffled weights, deleted regions.",
        ),
    ] = False,
    device: Device = "auto",
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", "--out", file_okay=False, help="Folder to write to."
        ),
    ] = Path("medsynth-explain"),
    json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Show where a model looked, or what it used, to paint a slice or a place of it.

    Writes the map as NIfTI over the anatomy, a picture, and a JSON file that says
    which method, model and weights made it. Not for diagnosis.

    [bold]Examples[/]

    medsynth explain T1=a.nii.gz T2=b.nii.gz --target FLAIR --query 90,110

    medsynth explain scans/ -t FLAIR --method integrated_gradients --slice 82 --honesty

    medsynth explain scans/ -t FLAIR --method chain --block art_6 --all-slices -o maps/
    """
    if method not in METHODS:
        known = ", ".join(METHODS)
        raise typer.BadParameter(f"--method is one of {known}; got {method!r}.")
    asked = parse_place(query)
    if all_slices and asked:
        raise typer.BadParameter(
            "--all-slices asks each slice as a whole: leave --query out."
        )
    card = get_card(model)
    source = MapSource(method, block, layer - 1, head - 1)
    stem = "_".join(
        ["map", source.title.replace(" ", "-"), *["reverse"] * reverse, card.id]
    )
    check_output(output, (f"{stem}.*",), overwrite)
    subject = read_subject(study)

    from napari_medsynth.engine.prepared import prepare_study
    from napari_medsynth.engine.slice_network import SliceNetwork

    targets = [parse_modality(target)] if target else None
    subject = shown_to(card, subject, plane.value)
    prepared = prepare_study(subject, card, targets=targets, plane=plane.value)
    place = place_of(prepared, asked, slice_)
    job = _Job(prepared, SliceNetwork(card, device=device), source, place, reverse)
    report = job.run(output, stem, all_slices=all_slices, is_tested=honesty)
    if json:
        say_json(report)
        return
    show_facts(report)
    for path in report["paths"]:
        say(path)


@dataclass(frozen=True)
class _Job:
    """One map: of what, how, and asked from where."""

    prepared: Prepared
    network: SliceNetwork
    source: MapSource
    place: Place
    is_reverse: bool

    def run(
        self, folder: Path, stem: str, *, all_slices: bool, is_tested: bool
    ) -> dict[str, Any]:
        """Make, test and write the map; say what was done as JSON values."""
        from napari_medsynth.explain import map_maker, record_slice

        make = map_maker(self.source, self.place.query, is_reverse=self.is_reverse)
        record = record_slice(self.prepared, self.network, self.place.index)
        values = make(record, self.network)
        tested = self._tested(make) if is_tested else None
        facts = facts_of(record, self.source, self.place, self.is_reverse, tested)
        if tested and not tested.passed:
            warn([tested.reason])
        volume = (
            self._volume(make)
            if all_slices
            else record.place(values, self.source.title)
        )
        paths = write_maps({f"{stem}.nii.gz": volume}, folder)
        paths += self._pictures(record, values, facts, tested, folder / stem)
        return {"paths": paths, **facts}

    def _tested(self, make: MakeMap) -> Honesty:
        from napari_medsynth.explain import check_map

        steps = check_map(
            self.prepared,
            self.network,
            self.place.index,
            make,
            query=self.place.query,
            is_reverse=self.is_reverse,
        )
        found: Honesty = follow_share(steps, "honesty", honesty_share())
        return found

    def _volume(self, make: MakeMap) -> Volume:
        from napari_medsynth.explain import map_volume

        indices, name = range(self.prepared.n_slices), self.source.title
        steps = map_volume(self.prepared, self.network, make, indices, name=name)
        n_slices = self.prepared.n_slices
        volume: Volume = follow_share(steps, name, lambda n: (n / n_slices, ""))
        return volume

    def _pictures(
        self,
        record: SliceRecord,
        values: NDArray[np.float32],
        facts: dict[str, Any],
        tested: Honesty | None,
        path: Path,
    ) -> list[str]:
        """Write the picture and the facts beside the map."""
        from napari_medsynth.explain import overlay_picture

        picture = overlay_picture(
            record,
            values,
            caption(record, facts, tested),
            query=self.place.query,
            is_signed=METHODS[self.source.method].is_signed and bool(values.min() < 0),
            is_grey=tested is not None and not tested.passed,
        )
        text = to_json(facts, indent=2) + "\n"
        files = {".png": picture, ".json": text.encode()}
        # not with_suffix: a model's id may have a dot
        paths = {path.parent / f"{path.name}{end}": data for end, data in files.items()}
        try:
            for file, data in paths.items():
                file.write_bytes(data)
        except OSError as err:
            raise VolumeError(
                f"{file} cannot be written: {err.strerror}; choose another folder "
                "with -o."
            ) from err
        return [str(file) for file in paths]
