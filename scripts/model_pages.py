"""Write docs/models/ from our cards and docs/reference/cli.md from the CLI.

The index also shows what ``benchmarks/models.py`` measured last (COMPARISON).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from napari_medsynth.catalogue import BLUEPRINT, TASKS, ModelCard, list_cards, origin_of
from napari_medsynth.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COMPARISON = ROOT / "benchmarks" / "models.json"
GENERATED = "<!-- Written by scripts/model_pages.py: make model-pages -->"


def main() -> None:
    """Write every page."""
    for path, text in pages().items():
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_text(text, encoding="utf-8")
        print(f"docs/{path}")


def pages() -> dict[str, str]:
    """Give all generated pages by their path in docs/."""
    ours = [
        card
        for card in list_cards(blueprints=True)
        if origin_of(card.id) in ("embedded", BLUEPRINT)
    ]
    return {
        "models/index.md": _index(ours),
        **{f"models/{card.id}.md": _model(card) for card in ours},
        "reference/cli.md": _command_line(),
    }


def _index(cards: list[ModelCard]) -> str:
    trained = [card for card in cards if card.is_trained]
    parts = [
        "# Models",
        "These come with the package, ready to run. [Official weights](../how-to/"
        "import-official-weights.md) and [other packages](../how-to/add-provider.md) "
        "add more.",
        _table(trained),
        "## Networks without weights",
        "Published networks, equal to their originals. [Train](../how-to/"
        "train-a-model.md) or fine-tune them on your own scans, or import official "
        "weights.",
    ]
    for task in TASKS:
        found = [c for c in cards if c.task == task and not c.is_trained]
        if found:
            parts += [f"### {task.capitalize()}", _table(found)]
    return _page(*parts, *_comparison())


def _table(cards: list[ModelCard]) -> str:
    rows = [
        f"| [{card.id}]({card.id}.md) | {card.title} | {_sources(card)} | "
        f"{', '.join(card.outputs)} | {_millions(card.parameters)} |"
        for card in cards
    ]
    head = [
        "| id | title | of | makes | parameters |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows])


def _millions(n: int) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e6 else f"{n / 1e3:.0f} k"


def _comparison() -> Iterator[str]:
    """Give the table that ``benchmarks/models.py`` wrote, if it did."""
    if not COMPARISON.is_file():
        return
    measured = json.loads(COMPARISON.read_text(encoding="utf-8"))
    yield "## A fair comparison"
    yield measured["about"]
    for title, rows in measured["tables"].items():
        yield f"### {title}"
        yield _rows(rows)


def _model(card: ModelCard) -> str:
    facts = {
        "task": card.task,
        "sources": _sources(card),
        "makes": ", ".join(card.outputs),
        "planes": ", ".join(card.planes),
        "in-plane spacing": f"{card.spacing:g} mm" if card.spacing else "any",
        "network": f"`{card.factory}` "
        + ", ".join(f"{k}={v}" for k, v in card.options.items()),
        "enlarges": f"{card.scale} times" if card.scale > 1 else "",
        "degradation": _cell(card.degradation),
        "neighbouring slices": str(card.neighbours or ""),
        "parameters": f"{card.parameters:,}",
        "normalisation statistics": card.norm_statistics,
        "licence of the weights": card.licence,
        "reference": card.reference,
        "sha256": f"`{card.sha256}`" if card.sha256 else "",
    }
    table = [f"| {key} | {value} |" for key, value in facts.items() if value]
    parts = [
        f"# {card.title}",
        f"`{card.id}`",
        "" if card.is_trained else _how_to_train(card),
        "\n".join(["| | |", "| --- | --- |", *table]),
        f"## Training\n\n{card.training_data}" if card.training_data else "",
        _mapping(card.training),
        "## Recipe" if card.recipe else "",
        _mapping(card.recipe),
        f"## Limits\n\n{card.limits}",
    ]
    if card.choices:
        parts.append("## Decided here\n\n" + "\n".join(f"- {c}" for c in card.choices))
    if card.quality:
        parts.append("## Measured quality\n\n" + _quality(card))
    return _page(*parts)


def _how_to_train(card: ModelCard) -> str:
    return (
        "A network without weights: train it, or import official ones.\n\n"
        f"```sh\nmedsynth train {card.id} --folder SCANS -o {card.id}.safetensors\n```"
    )


def _quality(card: ModelCard) -> str:
    return _rows(card.quality)


def _rows(found: Sequence[Mapping[str, object]]) -> str:
    keys = list(dict.fromkeys(key for row in found for key in row))
    rows = [
        "| " + " | ".join(_cell(row.get(key, "")) for key in keys) + " |"
        for row in found
    ]
    head = "| " + " | ".join(key.replace("_", " ") for key in keys) + " |"
    return "\n".join([head, "|" + " --- |" * len(keys), *rows])


def _mapping(values: object) -> str:
    if not isinstance(values, dict) or not values:
        return ""
    rows = [f"| {key.replace('_', ' ')} | {_cell(v)} |" for key, v in values.items()]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_cell(v)}" for k, v in value.items())
    return str(value).replace("|", "\\|")


def _sources(card: ModelCard) -> str:
    inputs = ", ".join(card.inputs)
    return f"any of {inputs}" if card.is_unified else inputs


def _command_line() -> str:
    root = typer.main.get_command(app)
    intro = (
        "`medsynth` does what the widgets do, without Qt. Exit codes: 0 done; 1 "
        "refused, with one sentence on stderr; 2 wrong usage; 130 interrupted."
    )
    return _page("# Command line", intro, *_commands(root, "medsynth"))


def _commands(command: Any, name: str) -> Iterator[str]:
    """Describe a command and those below it."""
    if children := getattr(command, "commands", None):
        for child, one in children.items():
            yield from _commands(one, f"{name} {child}")
        return
    help_text = (command.help or "").replace("[bold]", "**").replace("[/]", "**")
    rows = [_option(one) for one in command.params if one.name != "help"]
    yield f"## {name}\n\n{_plain(help_text)}"
    if rows:
        yield "\n".join(["| option | |", "| --- | --- |", *rows])


def _option(parameter: Any) -> str:
    """Give a row of the table; in our own words, which no release of typer changes."""
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts]
    name = ", ".join(names if is_option else [parameter.name.upper()])
    text = parameter.help or ""
    if parameter.required:
        text += " Required."
    elif parameter.default not in (None, False, "", ()) and is_option:
        value = getattr(parameter.default, "value", parameter.default)
        text = f"{text.rstrip('.')} (default: {value})."
    return f"| `{name}` | {_cell(text)} |"


def _plain(text: str) -> str:
    """Make Markdown of a help text: a paragraph that is a command becomes code."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(
        f"```sh\n{part}\n```" if part.startswith("medsynth ") else part
        for part in paragraphs
        if part
    )


def _page(*parts: str) -> str:
    return "\n\n".join([GENERATED, *filter(None, parts)]) + "\n"


if __name__ == "__main__":
    main()
