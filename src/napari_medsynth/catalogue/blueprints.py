"""Blueprints: cards of published networks that nobody has trained for us yet.

Each is one file ``resources/cards/<id>.toml``. It can be trained, fine-tuned from fresh
weights, or filled with an official checkpoint; there is nothing to run before that.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_medsynth.errors import CardError
from napari_medsynth.resources import resource

from .card import ModelCard


def blueprints() -> tuple[ModelCard, ...]:
    """Give all cards without weights, by id.

    Raises
    ------
    CardError
        If a file is no card.
    """
    try:
        folder = resource("cards")
    except FileNotFoundError:
        return ()
    return tuple(
        _read(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.toml"))
    )


def read_blueprint(path: Path | str) -> ModelCard:
    """Read one card from TOML; its id is the name of the file.

    Raises
    ------
    CardError
        If the file cannot be read, is no TOML, or no card.
    """
    path = Path(path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise CardError(f"{path} cannot be read: {err.strerror}.") from err
    except ValueError as err:
        raise CardError(f"{path} is no TOML file: {err}.") from err
    return ModelCard.from_json({"id": path.stem, **values})


@lru_cache(maxsize=256)
def _read(path: Path, mtime_ns: int) -> ModelCard:
    return read_blueprint(path)
