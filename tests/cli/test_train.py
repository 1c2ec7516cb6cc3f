"""``medsynth train``: a model of the catalogue or a file, and every wrong use."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.catalogue import read_pack
from napari_medsynth.cli._train_request import card_id, setting
from napari_medsynth.simulate import Anatomy

TRAIN = ("tiny-gan", "-o", "p.safetensors", "--simulated")
TINY = """
family = "resnet"
task = "synthesis"
title = "Tiny {objective}"
factory = "napari_medsynth.models.resnet:ResNetGenerator"
options = {{ width = 4, n_blocks = 1 }}
inputs = ["MR"]
outputs = ["CT"]
size_multiple = 4

[recipe]
objective = "{objective}"
epochs = 2
steps_per_epoch = 2
batch_size = 1
critic_layers = 1
critic_norm = "instance"
device = "cpu"
n_threads = 1
"""


@pytest.fixture
def blueprints(tmp_path, monkeypatch):
    """Two tiny blueprints instead of the published ones."""
    from napari_medsynth.catalogue import blueprints

    folder = tmp_path / "cards"
    folder.mkdir()
    for objective in ("cycle", "gan"):
        text = TINY.format(objective=objective)
        (folder / f"tiny-{objective}.toml").write_text(text)
    monkeypatch.setattr(blueprints, "resource", lambda name: folder)
    return folder


@pytest.fixture
def brick(monkeypatch):
    from napari_medsynth.training.data import simulated

    shares = np.zeros((4, 26, 44, 36), np.uint8)
    shares[0, 3:23, 4:40, 4:32] = 255
    shares[:2, 5:21, 6:38, 6:30] = [[[[0]]], [[[255]]]]
    shares[1:3, 8:18, 12:32, 11:25] = [[[[0]]], [[[255]]]]
    anatomy = Anatomy(shares, (0.0, 0.0, 0.0))
    monkeypatch.setattr(simulated, "load_anatomy", lambda: anatomy)


@pytest.mark.parametrize("objective", ["cycle", "gan"])
def test_a_blueprint_learns_from_made_up_heads(
    medsynth, blueprints, brick, tmp_path, objective
):
    target = tmp_path / "My Model.safetensors"

    result = medsynth(
        "train",
        *(f"tiny-{objective}", "-o", target, "--simulated"),
        *("--inputs", "T1", "--outputs", "T2"),
        *("--set", "learning_rate=1e-3", "epochs=1"),
    )

    assert result.code == 0, result.err
    assert str(target) in result.out
    card = read_pack(target).card
    assert (card.id, card.inputs, card.outputs) == ("my-model", ("T1",), ("T2",))
    assert card.training["steps"] == 2
    assert card.training["objective"] == objective
    assert card.training["learning_rate"] == 1e-3
    assert card.is_trained


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing.toml"], "nothing.toml does not exist"),
        (["no-such-model", "--simulated", "-o", "p.safetensors"], "no-such-model"),
        (["tiny-gan", "--simulated"], "needs --output"),
        (["tiny-gan", "-o", "p.safetensors"], "--folder DIR, or --simulated"),
        (
            ["tiny-gan", "-o", "p.safetensors", "--folder", "nowhere"],
            "nowhere is no folder",
        ),
        (
            ["tiny-gan", "--simulated", "-o", "tiny-gan.safetensors"],
            "give it a name of your own, such as my-tiny-gan.safetensors",
        ),
        (
            [*TRAIN, "-o", "p.nii.gz", "--inputs", "T1", "--outputs", "T2"],
            "let it end in .safetensors",
        ),
        (
            TRAIN,
            "MR, CT cannot be simulated",
        ),
        (
            [*TRAIN, "--set", "epochs"],
            "--set epochs needs a name and a value",
        ),
        (
            [*TRAIN, "--inputs", "T1", "--outputs", "T2", "--set", "epoch=2"],
            "there is no setting learn.epoch (is it epochs?)",
        ),
    ],
)
def test_every_wrong_use_is_one_sentence(
    medsynth, blueprints, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)

    result = medsynth("train", *words)

    assert result.code != 0
    said = " ".join(result.err.replace("│", " ").split())
    assert expected in said
    assert "Traceback" not in result.err
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    "words",
    [
        ["--folder", "."],
        ["--inputs", "T1"],
        ["--outputs", "T1"],
        ["--set", "a=1"],
        ["--simulated"],
    ],
    ids=lambda words: words[0],
)
def test_a_file_says_all_itself(medsynth, tmp_path, words):
    path = tmp_path / "job.toml"
    path.write_text("")

    result = medsynth("train", path, *words)

    assert result.code != 0
    said = " ".join(result.err.replace("│", " ").split())
    assert f"leave out {words[0]}" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=1e-4", ("learning_rate", 1e-4)),
        ("epochs = 3", ("epochs", 3)),
        ("flip=false", ("flip", False)),
        ("objective=gan", ("objective", "gan")),
        ('critic="patch"', ("critic", "patch")),
    ],
)
def test_settings_are_read_as_in_toml(text, expected):
    assert setting(text) == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("My Model", "my-model"), ("t1_to_t2", "t1_to_t2"), ("Ä", "trained")],
)
def test_an_id_is_made_of_the_name_of_the_pack(stem, expected):
    assert card_id(stem) == expected
