"""Presets: quick look, standard, thorough."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from napari_medsynth.training import TrainConfig
from napari_medsynth.training.presets import PRESETS, apply_preset


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_gives_settings_that_are_valid(name):
    config = apply_preset(TrainConfig(), name)

    assert TypeAdapter(TrainConfig).validate_python(asdict(config)) == config


def test_a_preset_keeps_what_it_does_not_name():
    config = apply_preset(TrainConfig(seed=5, objective="gan"), "thorough")

    assert (config.seed, config.objective) == (5, "gan")
    assert config.epochs == PRESETS["thorough"]["epochs"]


def test_the_last_preset_wins():
    config = TrainConfig()
    for name in PRESETS:
        config = apply_preset(config, name)

    assert apply_preset(config, "standard") == apply_preset(TrainConfig(), "standard")


def test_presets_go_from_quick_to_thorough():
    epochs = [preset["epochs"] for preset in PRESETS.values()]

    assert list(PRESETS) == ["quick look", "standard", "thorough"]
    assert epochs == sorted(set(epochs))


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match="quick look, standard, thorough, got 'fast'"):
        apply_preset(TrainConfig(), "fast")


def test_presets_need_no_torch():
    code = (
        "import sys, napari_medsynth.training.presets\n"
        "sys.exit('torch' in sys.modules or 'lightning_fabric' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
