"""Presets: how thoroughly to fine-tune, as overrides of `TrainConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_medsynth.catalogue import ModelCard

from .config import TrainConfig

PUBLISHED = "published recipe"  # of the card
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Minutes, on a laptop too: is this worth while?
        "quick look": {
            "epochs": 4,
            "steps_per_epoch": 100,
            "learning_rate": 5e-4,
            "trained": "everything",
            "warmup_steps": 10,
            "ema": 0.98,
            "patience": 0,
            "affine": 0.5,
            "intensity": 0.5,
        },
        # Every slice ten times; ends when the held-out subjects no longer gain.
        "standard": {
            "epochs": 10,
            "steps_per_epoch": 0,
            "learning_rate": 1e-4,
            "trained": "everything",
            "warmup_steps": 20,
            "ema": 0.99,
            "patience": 4,
            "affine": 0.5,
            "intensity": 0.5,
        },
        # As long as it helps; more variation, so that less is learnt by heart.
        "thorough": {
            "epochs": 40,
            "steps_per_epoch": 0,
            "learning_rate": 1e-4,
            "trained": "everything",
            "warmup_steps": 100,
            "ema": 0.998,
            "patience": 8,
            "affine": 1.0,
            "intensity": 1.0,
        },
    }
)

# A network without weights has more to learn: how long, by preset.
_FROM_FRESH: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick look": {"epochs": 5, "steps_per_epoch": 200},
        "standard": {"epochs": 40, "steps_per_epoch": 500},
        "thorough": {"epochs": 100, "steps_per_epoch": 1000},
    }
)
_ADAPTER = TypeAdapter(TrainConfig)


def apply_preset(config: TrainConfig, name: str) -> TrainConfig:
    """Give `config` with the settings of a preset; all others stay.

    Every preset sets the same fields, so that the last one chosen wins.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return replace(config, **PRESETS[name])


def published(card: ModelCard) -> TrainConfig | None:
    """Give the settings of a card's published recipe; None without a valid one."""
    if not card.recipe:
        return None
    try:
        return _ADAPTER.validate_python(dict(card.recipe))
    except ValidationError:  # a pack of another version, say
        return None


def preset_names(card: ModelCard | None) -> tuple[str, ...]:
    """List what `settings_for` knows: first the recipe of `card`, if it has one."""
    has_recipe = card is not None and published(card) is not None
    return ((PUBLISHED,) if has_recipe else ()) + tuple(PRESETS)


def settings_for(card: ModelCard | None, name: str) -> TrainConfig:
    """Give the settings by which a model is to learn.

    Parameters
    ----------
    card : ModelCard or None
        Of the base model, or of a network that is not trained yet.
    name : str
        `PUBLISHED`, or one of `PRESETS`. Of a network that is not trained they are its
        recipe, but shorter, with its steps of the learning rate in proportion. A model
        that restores is shown patches as large as in its recipe.

    Raises
    ------
    ValueError
        If there is no such preset of `card`.
    """
    recipe = published(card) if card is not None else None
    if name == PUBLISHED and recipe is not None:
        return recipe
    if card is None or recipe is None:
        return apply_preset(TrainConfig(), name)
    if not card.is_trained and name in PRESETS:
        return _shortened(recipe, name)
    settings = apply_preset(TrainConfig(), name)
    if card.is_restoration:
        settings = replace(settings, patch_size=recipe.patch_size)
    return settings


def _shortened(recipe: TrainConfig, name: str) -> TrainConfig:
    length = _FROM_FRESH[name]
    return replace(recipe, **length, **steps_in_proportion(recipe, length["epochs"]))


def steps_in_proportion(recipe: TrainConfig, epochs: int) -> dict[str, Any]:
    """Give where the learning rate falls if a recipe takes so many epochs instead."""
    share = epochs / recipe.epochs
    return {
        "step_epochs": max(1, round(recipe.step_epochs * share)),
        "decay_epochs": round(recipe.decay_epochs * share),
    }
