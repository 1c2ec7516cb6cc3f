"""``medsynth finetune`` of a model that restores, from a folder of single images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_medsynth.catalogue import (
    ModelCard,
    build_model,
    get_card,
    models_folder,
    write_pack,
)
from napari_medsynth.cli._tasks import command_for

CARD = ModelCard(
    id="tiny-x2",
    family="edsr",
    task="super-resolution",
    title="Tiny x2",
    factory="napari_medsynth.models.edsr:EDSR",
    options={"width": 2, "n_blocks": 1, "scale": 2},
    inputs=("low-resolution X-ray",),
    outputs=("X-ray",),
    intensity={"*": {"kind": "percentile", "low": 0.0, "high": 100.0}},
    scale=2,
    size_multiple=2,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
    sha256="ab" * 32,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A home with a tiny model, four radiographs, and a job beside them."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    models_folder().mkdir(parents=True)
    for card in (CARD, ModelCard(**{**vars(CARD), "id": "clean", "task": "denoising"})):
        arrays = {k: v.numpy() for k, v in build_model(card).state_dict().items()}
        write_pack(models_folder() / f"{card.id}.safetensors", card, arrays)
    (tmp_path / "xrays").mkdir()
    y, x = np.mgrid[-1:1:48j, -1:1:40j]
    for number in range(4):
        image = 120 * (x**2 + y**2 < 0.7) + 60 * (1 + np.sin(7 * x + y + number))
        Image.fromarray(image.astype(np.uint8)).save(
            tmp_path / "xrays" / f"{number}.png"
        )
    job = {
        "id": "tuned-x2",
        "title": "Tuned x2",
        "base": "tiny-x2",
        "data": {"folder": "xrays"},
        "learn": {
            **{"epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "patch_size": 16},
            **{"device": "cpu", "precision": "fp32", "n_threads": 1},
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(job), "utf-8")
    return tmp_path


def test_each_picture_is_a_subject_and_the_verdict_measures(folder, medsynth):
    run = folder / "run"
    done = medsynth("finetune", folder / "job.json", "-o", run, "--keep", "always")

    assert done.code == 0, done
    assert "medsynth super-resolve --model tuned-x2" in done.err
    verdict = json.loads((run / "verdict.json").read_text("utf-8"))
    assert verdict["n_subjects"] == 1
    assert verdict["rows"][0]["available"] == "low-resolution X-ray"
    assert verdict["notes"] == []
    with np.load(run / "preview.npz") as preview:
        assert {preview[k].shape for k in ("source", "truth", "now")} == {(48, 40)}
    card = get_card("tuned-x2")
    assert (card.scale, card.degradation) == (2, CARD.degradation)
    assert "3 subjects" in card.training_data


def test_it_names_the_command_that_uses_the_model(folder):
    assert command_for(get_card("tiny-x2")) == "super-resolve"
    assert command_for(get_card("clean")) == "denoise"
    assert command_for(get_card("pix2pix")) == "synthesize"
