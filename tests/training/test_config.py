"""The settings: each is explained, bounded, and survives JSON."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import TypeAdapter, ValidationError

from napari_medsynth.training import TrainConfig

ADAPTER = TypeAdapter(TrainConfig)
SCHEMA = ADAPTER.json_schema()["properties"]


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig)])
def test_every_setting_has_a_title_and_says_what_it_does(name):
    assert SCHEMA[name]["title"] != name
    assert SCHEMA[name]["description"].endswith(".")


def test_the_defaults_are_allowed():
    assert ADAPTER.validate_python(ADAPTER.dump_python(TrainConfig())) == TrainConfig()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("batch_size", -1),
        ("trained", "nothing"),
        ("beta1", 1),
        ("beta2", 1.0),
        ("ema", 1),
        ("accumulate", 0),
        ("precision", "fp16"),
        ("seed", -1),
        ("epoch", 3),
    ],
)
def test_values_without_a_meaning_are_refused(name, value):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({name: value})
