"""The registry: each card that can be run here, and why others cannot.

Embedded packs come first, then those of the user's folder, then other packages' cards,
then blueprints, which nobody has trained yet; the first card of an id wins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from napari_medsynth.errors import CardError, MedSynthError, WeightsError
from napari_medsynth.resources import resource

from .blueprints import blueprints
from .build import build_model as build_model
from .card import TASKS, ModelCard
from .pack import ModelPack, read_pack, replacing
from .providers import ProviderError, provided_cards

STARTER = "resvit-starter"
BLUEPRINT = "blueprint"
ALIASES = {"starter": STARTER}


@dataclass(frozen=True)
class _Entry:
    """One card, where it comes from, and its weights if it has any."""

    card: ModelCard
    origin: str
    pack: ModelPack | None = None


@dataclass(frozen=True)
class _Index:
    """All entries by id, and one sentence for each one that is left out."""

    entries: Mapping[str, _Entry] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def user_folder() -> Path:
    """Give the folder of the user's models and settings; it may not exist yet.

    ``$MEDSYNTH_HOME``, or else the operating system's folder for user data.
    """
    if home := os.environ.get("MEDSYNTH_HOME"):
        return Path(home).expanduser()
    from platformdirs import user_data_path

    return user_data_path("napari-medsynth", appauthor=False)


def models_folder() -> Path:
    """Give the folder that imported packs are kept in; it may not exist yet."""
    return user_folder() / "models"


def list_cards(task: str | None = None, *, blueprints: bool = False) -> list[ModelCard]:
    """List the cards of one task, or all; with those that nobody has trained on demand.

    Raises
    ------
    CardError
        If there is no such task.
    """
    if task is not None and task not in TASKS:
        raise CardError(f"A task is one of {', '.join(TASKS)}; got {task!r}.")
    entries = _index().entries.values()
    return [
        entry.card
        for entry in entries
        if task in (None, entry.card.task) and (blueprints or entry.origin != BLUEPRINT)
    ]


def get_card(card_id: str) -> ModelCard:
    """Give the card with an id, or an alias such as "starter".

    Raises
    ------
    CardError
        If there is none.
    """
    return _entry(card_id).card


def get_pack(card_id: str) -> ModelPack:
    """Give the card and weights with an id, or an alias such as "starter".

    Raises
    ------
    CardError
        If there is no such card.
    WeightsError
        If the card comes without weights.
    """
    entry = _entry(card_id)
    if entry.origin == BLUEPRINT:
        raise WeightsError(
            f"{entry.card.title} has not been trained: train it (medsynth train "
            f"{entry.card.id}), or import official weights (medsynth models import)."
        )
    if entry.pack is None:
        raise WeightsError(
            f"{entry.card.id} has no weights: its provider, {entry.origin}, gives "
            "only a card; ask there for a pack."
        )
    return entry.pack


def origin_of(card_id: str) -> str:
    """Say where a card comes from: "embedded", "user", "blueprint", or its provider."""
    return _entry(card_id).origin


def problems() -> list[str]:
    """Give one sentence for each pack, card or provider that is left out."""
    return list(_index().problems)


def provider_errors() -> list[ProviderError]:
    """Give the providers that failed, by name, with what happened."""
    return list(provided_cards().errors)


def import_pack(path: Path | str, *, replace: bool = False) -> ModelPack:
    """Check a pack and copy it into the user's folder, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The ``.safetensors`` file.
    replace : bool
        Replace a pack of the user's folder that has the same id.

    Raises
    ------
    WeightsError, CardError
        If the pack is damaged, or its id is taken.
    """
    pack = read_pack(path)
    pack.verify()
    check_id_is_free(pack.card.id, replace=replace)
    target = models_folder() / f"{pack.card.id}.safetensors"
    with replacing(target) as temporary:
        shutil.copyfile(pack.path, temporary)
    return ModelPack(target, pack.card)


def check_id_is_free(card_id: str, *, replace: bool = False) -> None:
    """Raise CardError if a new pack of the user's folder cannot have this id."""
    entry = _index().entries.get(ALIASES.get(card_id, card_id))
    if entry is None or (replace and entry.origin == "user"):
        return
    advice = (
        "replace it, or remove it first" if entry.origin == "user" else "choose another"
    )
    raise CardError(f"The id {card_id} is taken ({entry.origin}); {advice}.")


def remove_pack(card_id: str) -> Path:
    """Delete a pack of the user's folder; give the path that it had.

    Raises
    ------
    CardError
        If there is no such card, or it is not in the user's folder.
    """
    entry = _entry(card_id)
    if entry.origin != "user" or entry.pack is None:
        raise CardError(
            f"Only imported models can be removed; {entry.card.id} is "
            + (
                "part of napari-medsynth."
                if entry.origin == "embedded"
                else f"given by {entry.origin}: uninstall that package."
            )
        )
    try:
        entry.pack.path.unlink()
    except OSError as err:
        raise WeightsError(
            f"{entry.pack.path} cannot be removed: {err.strerror}."
        ) from err
    return entry.pack.path


def _entry(card_id: str) -> _Entry:
    index = _index()
    try:
        return index.entries[ALIASES.get(card_id, card_id)]
    except KeyError:
        known = ", ".join(index.entries) or "none"
        raise CardError(
            f"No model has the id {card_id!r}; there are: {known}."
        ) from None


def _index() -> _Index:
    """Collect all entries; a folder listing and one header per pack, so never stale."""
    entries: dict[str, _Entry] = {}
    found: list[str] = []
    candidates = [
        *_embedded(),
        *_of_folder(models_folder(), "user"),
        *_of_providers(),
        *(_Entry(card, BLUEPRINT) for card in blueprints()),
    ]
    for candidate in candidates:
        if isinstance(candidate, str):
            found.append(candidate)
            continue
        first = entries.setdefault(candidate.card.id, candidate)
        if first is not candidate:
            where = candidate.pack.path if candidate.pack else candidate.origin
            found.append(
                f"{candidate.card.id} of {where} is hidden: {first.origin} has this id."
            )
    found.extend(f"Provider {e.name}: {e.message}" for e in provider_errors())
    return _Index(entries, tuple(found))


def _embedded() -> Iterator[_Entry | str]:
    try:
        folder = resource("packs")
    except FileNotFoundError:
        return
    # The starter first: where nothing is chosen, the first model is.
    yield from sorted(_of_folder(folder, "embedded"), key=_is_other)


def _is_other(entry: _Entry | str) -> bool:
    return isinstance(entry, str) or entry.card.id != STARTER


def _of_folder(folder: Path, origin: str) -> Iterator[_Entry | str]:
    """Read the packs of a folder; a broken one becomes a sentence."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            status = path.stat()
            pack = _read_cached(path, status.st_mtime_ns, status.st_size)
            yield _Entry(pack.card, origin, pack)
        except MedSynthError as err:
            yield str(err)
        except OSError as err:
            yield f"{path} cannot be read: {err.strerror}."


@lru_cache(maxsize=256)
def _read_cached(path: Path, mtime_ns: int, size: int) -> ModelPack:
    """Read a pack's header once per state of the file."""
    return read_pack(path)


def _of_providers() -> Iterable[_Entry | str]:
    for name, card, path in provided_cards().cards:
        if path is None:
            yield _Entry(card, name)
            continue
        try:
            pack = read_pack(path)
        except MedSynthError as err:
            yield f"Provider {name}: {err}"
            continue
        if pack.card.id == card.id:
            yield _Entry(pack.card, name, pack)
        else:
            yield f"Provider {name}: {path} is {pack.card.id}, not {card.id}."
