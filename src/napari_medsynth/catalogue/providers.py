"""Cards of other packages: entry points of the group ``napari_medsynth.providers``.

A provider is a module (or class) with one function, found by its package's metadata::

    # pyproject.toml:  [project.entry-points."napari_medsynth.providers"]
    #                  my-models = "my_models.medsynth"
    def medsynth_cards():
        return [ModelCard(...), (ModelCard(...), "/path/of/its/pack.safetensors")]

It needs to import nothing for that; the mark of napari-plugin-engine is accepted too. A
provider that fails is named with its error and hides nobody else's cards.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .card import ModelCard

if TYPE_CHECKING:
    from napari_plugin_engine import PluginManager

GROUP = "napari_medsynth.providers"
HOOK = "medsynth_cards"


@dataclass(frozen=True)
class ProviderError:
    """What went wrong with one provider.

    Parameters
    ----------
    name : str
        Name of its entry point.
    message : str
        One sentence.
    """

    name: str
    message: str


@dataclass(frozen=True)
class ProvidedCards:
    """What all providers gave: (provider, card, pack path or None), and what failed."""

    cards: tuple[tuple[str, ModelCard, Path | None], ...] = ()
    errors: tuple[ProviderError, ...] = ()


@lru_cache(maxsize=1)
def provided_cards() -> ProvidedCards:
    """Import every provider, once per process, and collect its cards.

    ``provided_cards.cache_clear()`` makes the next call look again.
    """
    if not entry_points(group=GROUP):
        return ProvidedCards()
    from napari_plugin_engine import PluginError

    cards: list[tuple[str, ModelCard, Path | None]] = []
    manager, errors = _discovered()
    hook = getattr(manager.hook, HOOK)
    for name in [implementation.plugin_name for implementation in hook.get_hookimpls()]:
        try:
            cards.extend(_checked(name, hook(_plugin=name)))
        except PluginError as err:
            errors.append(_error_of(err, name))
        except TypeError as err:
            errors.append(ProviderError(name, f"{err}; update or uninstall it."))
    return ProvidedCards(tuple(cards), tuple(errors))


def provider_packages() -> frozenset[str]:
    """Name the top-level packages of all providers, without importing them."""
    points = entry_points(group=GROUP)
    return frozenset(point.module.partition(".")[0] for point in points)


def medsynth_cards() -> list[Any]:
    """Hook specification: give cards, or pairs of a card and the path of its pack."""
    return []


def _discovered() -> tuple[PluginManager, list[ProviderError]]:
    """Import and register all providers."""
    from napari_plugin_engine import HookSpecificationMarker, PluginManager

    HookSpecificationMarker("medsynth")(medsynth_cards)
    manager = PluginManager(
        "medsynth", discover_entry_point=GROUP, discover_prefix=None
    )
    with manager.discovery_blocked():  # else it discovers here and drops the errors
        manager.add_hookspecs(_Specifications)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unmarked providers: "has no hooks"
        _, failures = manager.discover()
    errors = [_error_of(error, str(error.plugin_name)) for error in failures]
    errors.extend(_register_unmarked(manager))
    return manager, errors


class _Specifications:
    medsynth_cards = staticmethod(medsynth_cards)


def _register_unmarked(manager: PluginManager) -> Iterator[ProviderError]:
    """Make plain functions named `HOOK` hook implementations."""
    from napari_plugin_engine import HookImplementation

    caller = getattr(manager.hook, HOOK)
    marked = {implementation.plugin_name for implementation in caller.get_hookimpls()}
    for name, namespace in manager.plugins.items():
        if name in marked:
            continue
        function = getattr(namespace, HOOK, None)
        if callable(function):
            caller._add_hookimpl(
                HookImplementation(function, namespace, plugin_name=name)
            )
        else:
            yield ProviderError(
                name, f"it defines no function {HOOK}; update or uninstall it."
            )


def _checked(name: str, result: Any) -> Iterator[tuple[str, ModelCard, Path | None]]:
    """Give (provider, card, path) of all that one provider returned."""
    if not isinstance(result, list | tuple):
        raise TypeError(_wanted(result))
    checked: list[tuple[str, ModelCard, Path | None]] = []
    for item in result:
        match item:
            case ModelCard():
                checked.append((name, item, None))
            case (ModelCard() as card, str() | Path() as path):
                checked.append((name, card, Path(path)))
            case _:
                raise TypeError(_wanted(item))
    return iter(checked)


def _wanted(item: Any) -> str:
    return (
        f"{HOOK} must return a list of ModelCard or (ModelCard, path of its pack), got "
        f"{type(item).__name__}"
    )


def _error_of(error: Exception, name: str) -> ProviderError:
    """Turn a PluginError into one sentence with its cause."""
    cause = error.__cause__ or error
    reason = f"{type(cause).__name__}: {cause}".strip(": ")
    return ProviderError(name, f"it failed ({reason}); update or uninstall it.")
