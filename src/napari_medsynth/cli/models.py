"""``medsynth models``: list, show, import, verify and remove what can be run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from napari_medsynth import catalogue
from napari_medsynth.catalogue import ModelCard, ModelPack
from napari_medsynth.errors import MedSynthError

from ._console import fail, note, say, say_json, show, warn
from .models_import import import_model, list_layouts
from .models_vgg import vgg
from .words import WordsCommand

models = typer.Typer(
    help="List, show, import, verify and remove models.", no_args_is_help=True
)
models.command("vgg")(vgg)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a model, or 'starter'.")]

_SUMMARY = (
    "id",
    "family",
    "task",
    "title",
    "inputs",
    "outputs",
    "parameters",
    "sha256",
)


@models.command("list")
def list_models(
    task: Annotated[str | None, typer.Option(help="Only models of this task.")] = None,
    untrained: Annotated[
        bool,
        typer.Option("--all", help="Networks without weights too."),
    ] = False,
    json: AsJson = False,
) -> None:
    """List all models: embedded, imported, and those of other packages."""
    cards = catalogue.list_cards(task, blueprints=untrained)
    warn(catalogue.problems())
    if json:
        say_json([_summary(card) for card in cards])
        return
    table = Table(box=None)
    table.add_column("id", no_wrap=True, overflow="fold")  # to be copied whole
    for heading in ("title", "makes", "of", "parameters", "from"):
        table.add_column(heading)
    for card in cards:
        table.add_row(
            card.id,
            card.title,
            ", ".join(card.outputs),
            _sources(card),
            f"{card.parameters / 1e6:.1f} M",
            catalogue.origin_of(card.id),
        )
    show(table)
    if not cards:
        note("There are no models; import one with: medsynth models import PATH")


@models.command("show")
def show_model(card_id: Id, json: AsJson = False) -> None:
    """Show everything that a model's card says."""
    card = catalogue.get_card(card_id)
    if json:
        say_json({**card.to_json(), "origin": catalogue.origin_of(card.id)})
        return
    table = Table.grid(padding=(0, 2))
    for key, value in _facts(card).items():
        table.add_row(key, value)
    show(table)
    if card.quality:
        show("", _quality(card))


models.command("import", cls=WordsCommand)(import_model)
models.command("layouts")(list_layouts)


@models.command("verify")
def verify_models(
    what: Annotated[
        str, typer.Argument(metavar="[ID|PATH]", help="A model or a pack; else all.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Check the weights of one or all models against their sha256."""
    rows = [_verified(name) for name in ([what] if what else _ids_with_weights())]
    problems = [] if what else catalogue.problems()
    if json:
        say_json(rows)
    else:
        for row in rows:
            if row["ok"]:
                say(f"ok  {row['id']}  {row['sha256']}")
            else:
                fail(str(row["message"]))
    warn(problems)
    if problems or not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@models.command("remove")
def remove_model(card_id: Id) -> None:
    """Delete an imported model from the user's folder."""
    say(catalogue.remove_pack(card_id))


def _summary(card: ModelCard) -> dict[str, Any]:
    """Give the main facts of a card as JSON values."""
    values = card.to_json()
    origin = catalogue.origin_of(card.id)
    return {**{key: values[key] for key in _SUMMARY}, "origin": origin}


def _sources(card: ModelCard) -> str:
    return "any others" if card.is_unified else ", ".join(card.inputs)


def _facts(card: ModelCard) -> dict[str, str]:
    """Give what there is to say about a card, as texts."""
    facts = {
        "id": card.id,
        "title": card.title,
        "task": card.task,
        "makes": ", ".join(card.outputs),
        "of": _sources(card),
        "planes": ", ".join(card.planes),
        "spacing": f"{card.spacing:g} mm" if card.spacing else "any",
        "parameters": f"{card.parameters:,}",
        "trained on": card.training_data,
        "limits": card.limits,
        "decided here": " ".join(card.choices),
        "licence": card.licence,
        "reference": card.reference,
        "from": catalogue.origin_of(card.id),
        "sha256": card.sha256,
    }
    return {key: value for key, value in facts.items() if value}


def _quality(card: ModelCard) -> Table:
    """Give the measured quality as a table, one column per key of its rows."""
    keys = list(dict.fromkeys(key for row in card.quality for key in row))
    table = Table(*keys, box=None)
    for row in card.quality:
        table.add_row(*(_cell(row.get(key, "")) for key in keys))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ids_with_weights() -> list[str]:
    return [card.id for card in catalogue.list_cards() if card.sha256]


def _verified(name: str) -> dict[str, Any]:
    """Check one pack, by id or path."""
    try:
        pack = _pack(name)
        pack.verify()
    except MedSynthError as err:
        return {"id": name, "ok": False, "message": str(err)}
    facts = {"path": str(pack.path), "sha256": pack.card.sha256}
    return {"id": pack.card.id, "ok": True, **facts}


def _pack(name: str) -> ModelPack:
    """Find a pack by the id of its card or by its path."""
    if Path(name).suffix == ".safetensors" or Path(name).is_file():
        return catalogue.read_pack(name)
    return catalogue.get_pack(name)
