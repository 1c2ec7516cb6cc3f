"""Presets of a card: its published recipe, and how it is shortened."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.presets import (
    PRESETS,
    PUBLISHED,
    apply_preset,
    preset_names,
    published,
    settings_for,
)

RECIPE = {
    "objective": "gan",
    "epochs": 200,
    "schedule": "step",
    "step_epochs": 50,
    "decay_epochs": 100,
    "patch_size": 96,
    "batch_size": 16,
    "freeze_norm": False,
}


def make(**values):
    return ModelCard(
        id="x",
        family="edsr",
        task="super-resolution",
        title="X",
        factory="a:b",
        inputs=("low-resolution image",),
        outputs=("image",),
        **{"recipe": RECIPE, "scale": 2, **values},
    )


def changed(config):
    usual = asdict(TrainConfig())
    return {k: v for k, v in asdict(config).items() if usual[k] != v}


def test_the_recipe_is_offered_first_and_only_where_there_is_a_valid_one():
    assert preset_names(make()) == (PUBLISHED, *PRESETS)
    assert settings_for(make(), PUBLISHED) == TrainConfig(**RECIPE)
    for recipe in ({}, {"epochs": 0}, {"no_such_setting": 1}):
        assert published(make(recipe=recipe)) is None
        assert preset_names(make(recipe=recipe)) == tuple(PRESETS)
    assert preset_names(None) == tuple(PRESETS)
    with pytest.raises(ValueError, match="preset must be"):
        settings_for(None, PUBLISHED)


def test_a_network_without_weights_learns_by_its_recipe_but_shorter():
    steps = []
    for name in PRESETS:
        config = settings_for(make(), name)
        lengths = ("epochs", "steps_per_epoch", "step_epochs", "decay_epochs")
        same = {k: v for k, v in RECIPE.items() if k not in lengths}
        assert {k: v for k, v in changed(config).items() if k not in lengths} == same
        assert config.step_epochs == max(1, round(config.epochs / 4))
        assert config.decay_epochs == round(config.epochs / 2)
        steps.append(config.epochs * config.steps_per_epoch)
    assert steps == sorted(steps)
    assert steps[0] >= 1000  # a few hundred teach it nothing


def test_a_trained_model_is_tuned_as_ever_but_restoration_sees_its_patches():
    degradation = {"kind": "downsample", "factor": [2, 2], "method": "area"}
    plain = make(sha256="ab" * 32)
    restores = make(sha256="ab" * 32, degradation=degradation)
    usual = apply_preset(TrainConfig(), "standard")

    assert settings_for(plain, "standard") == usual
    assert changed(settings_for(restores, "standard")) == {
        **changed(usual),
        "patch_size": 96,
    }
