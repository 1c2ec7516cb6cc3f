"""``medsynth trust`` and ``explain`` of models that restore one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_medsynth.catalogue import build_model, models_folder, write_pack
from napari_medsynth.catalogue.card import ModelCard
from napari_medsynth.engine.weights import state_to_numpy
from napari_medsynth.io import Volume, read_volume, write_volume

CARD = ModelCard(
    id="tiny-x2",
    family="edsr",
    task="super-resolution",
    title="Tiny x2",
    factory="napari_medsynth.models.edsr:EDSR",
    options={"width": 4, "n_blocks": 1, "scale": 2},
    inputs=("low-resolution image",),
    outputs=("image",),
    intensity={"*": {"kind": "percentile", "low": 0.0, "high": 100.0}},
    scale=2,
    size_multiple=4,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
)
THICK = replace(
    CARD,
    id="tiny-thick",
    title="Tiny thick",
    options={"width": 4, "n_blocks": 1, "scale": 1},
    scale=1,
    planes=("coronal",),
    degradation={"kind": "thick-slices", "factor": [2, 1]},
)


@pytest.fixture
def image(home, tmp_path, rng):
    """An image on disk; both models are installed."""
    torch.manual_seed(0)
    for card in (CARD, THICK):
        weights = state_to_numpy(build_model(card).state_dict())
        write_pack(models_folder() / f"{card.id}.safetensors", card, weights)
    data = (1 + rng.random((1, 3, 14, 18))).astype(np.float32)
    path = tmp_path / "T1.nii.gz"
    write_volume(Volume(data, (3.0, 1.0, 1.0), modality="T1"), path)
    return path


def test_spread_and_maps_lie_on_the_fine_grid(medsynth, image, tmp_path):
    out = tmp_path / "out"
    few = ("-m", "tiny-x2", "--variants", 2, "-o", out)
    assert medsynth("trust", "uncertainty", "-i", image, *few).code == 0
    method = ("--method", "gradient_times_input", "--slice", 1, "-o", out)
    assert medsynth("explain", image, "-m", "tiny-x2", *method).code == 0
    for path in out.glob("*.nii.gz"):
        volume = read_volume(path)
        assert volume.shape[1:] == (28, 36), path.name
        assert volume.spacing[1:] == (0.5, 0.5), path.name
    assert len(list(out.glob("*.nii.gz"))) == 3


def test_thick_slices_are_seen_from_the_side(medsynth, image):
    done = medsynth("trust", "contribution", "-m", "tiny-thick", "-i", image)
    assert done.code == 1
    assert "choose a --plane of coronal" in done.err


def test_one_image_is_enough(medsynth, image, tmp_path):
    other = tmp_path / "T2.nii.gz"
    write_volume(replace(read_volume(image), modality="T2"), other)
    done = medsynth("trust", "contribution", "-m", "tiny-x2", "-i", image, other)
    assert done.code == 1
    assert "restores one image, got T1, T2" in done.err


@pytest.mark.parametrize("what", ["self-test", "consistency", "calibrate"])
def test_questions_between_contrasts_are_refused(medsynth, image, tmp_path, what):
    words = {
        "self-test": (tmp_path,),
        "consistency": ("-i", image, "-s", image),
        "calibrate": (tmp_path, "-t", "T1"),
    }[what]
    done = medsynth("trust", what, *words, "-m", "tiny-x2")
    assert done.code in (1, 2)
    assert "needs models that make one contrast from others" in done.err
