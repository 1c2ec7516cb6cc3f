"""``medsynth models import`` and ``layouts``: packs and published checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from napari_medsynth import catalogue
from napari_medsynth.errors import WeightsError

from ._console import note, say, say_json, show
from ._inputs import parse_modality

PACK = ".safetensors"


def import_model(
    path: Annotated[
        Path,
        typer.Argument(help="A pack (.safetensors), or a checkpoint (.pth, .pt, ...)."),
    ],
    card_id: Annotated[str, typer.Option("--id", help="Id for a checkpoint.")] = "",
    title: Annotated[str, typer.Option(help="Name for a checkpoint.")] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option(help="Contrasts of its input channels, in order."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(help="Contrasts of its output channels, in order."),
    ] = None,
    unified: Annotated[
        bool, typer.Option("--unified", help="Any contrast may be missing.")
    ] = False,
    layout: Annotated[
        str,
        typer.Option(help="Whose file it is, if several are spelled alike."),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an imported model of this id.")
    ] = False,
) -> None:
    """Import a model pack, or an official checkpoint of a network of the catalogue.

    medsynth models import my-model.safetensors

    medsynth models import latest_net_G.pth --id t1-t2-pd --inputs T1 T2 --outputs PD

    medsynth models import edsr_baseline_x2.pt --id edsr-official
    """
    if path.suffix == PACK and (not card_id or _is_pack(path)):
        pack = catalogue.import_pack(path, replace=replace)
        say(f"{pack.card.id}  {pack.path}")
        return
    if not card_id:
        raise typer.BadParameter(f"{path.name} has no id of its own: give --id.")
    from napari_medsynth.engine.import_weights import import_checkpoint

    imported = import_checkpoint(
        path,
        card_id=card_id,
        title=title,
        inputs=[parse_modality(word) for word in inputs] if inputs else None,
        outputs=[parse_modality(word) for word in outputs] if outputs else None,
        is_unified=unified,
        layout=layout,
        replace=replace,
    )
    pack = catalogue.read_pack(imported)
    say(f"{pack.card.id}  {pack.path}")
    if layout or not (others := pack.card.training.get("other_layouts")):
        return
    names = " or ".join(map(repr, others))
    note(
        f"Read as {pack.card.training['layout']!r}. Files of {names} have the same "
        "keys but are made for another forward pass: if this is one, repeat with "
        "--layout and --replace."
    )


def list_layouts(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List whose checkpoints can be imported, and as which network."""
    from napari_medsynth.models.layout import all_layouts

    rows = [
        {"layout": one.name, "card": one.card, "refused": one.refused}
        for one in all_layouts()
    ]
    rows.insert(0, {"layout": "ResViT", "card": "", "refused": ""})
    if json:
        say_json(rows)
        return
    table = Table(box=None)
    table.add_column("layout", overflow="fold")  # to be copied whole
    for heading in ("fills the card", ""):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["layout"], row["card"], row["refused"])
    show(table)


def _is_pack(path: Path) -> bool:
    try:
        catalogue.read_pack(path)
    except WeightsError:
        return False
    return True
