"""Presets: how thoroughly to fine-tune, as overrides of `TrainConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from .config import TrainConfig

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
