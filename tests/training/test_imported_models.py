"""Imported official files are trained on: from their weights, or their network anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.official_names import PUBLISHED
from napari_medsynth.catalogue import get_card, read_pack
from napari_medsynth.engine import import_weights
from napari_medsynth.engine._read_checkpoint import read_state
from napari_medsynth.training import job_from_card
from napari_medsynth.training.card import fresh_card

CHANGES = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "patch_size": 16,
    "device": "cpu",
    "precision": "fp32",
    "n_threads": 1,
}


@pytest.fixture
def colours(tmp_path, monkeypatch):
    """Import an EDSR of colour images; give its id."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(import_weights, "read_checkpoint", read_state)
    published = PUBLISHED["BasicSR EDSR"]
    torch.save(published.state(published.network()), tmp_path / "x.pth")
    import_weights.import_checkpoint(tmp_path / "x.pth", card_id="colours")
    return "colours"


def job_of(card_id, write_subject):
    studies = [write_subject(name, ("image",)) for name in ("ann", "bob")]
    return job_from_card(
        card_id, id="mine", title="Mine", studies=studies, changes=CHANGES
    )


def test_network_of_an_imported_file_is_trained_anew(colours, write_subject, run_job):
    job = job_of(colours, write_subject)
    card = fresh_card(job, job.network)
    assert card.is_rgb
    assert card.options["in_channels"] == card.options["out_channels"] == 3

    _, done = run_job(job)

    assert read_pack(done.pack).weights()["head.0.weight"].shape == (4, 3, 3, 3)


def test_training_goes_on_from_imported_weights(colours, write_subject, run_job):
    job = replace(job_of(colours, write_subject), base=colours, network=None)
    slow = replace(job.learn, learning_rate=1e-6, steps_per_epoch=1)

    _, done = run_job(replace(job, learn=slow))

    tuned = read_pack(done.pack)
    published = PUBLISHED["BasicSR EDSR"].network().state_dict()
    assert tuned.card.value_range == get_card(colours).value_range == (0.0, 255.0)
    for key, array in tuned.weights().items():
        made = torch.from_numpy(array).float()  # kept in half precision
        torch.testing.assert_close(made, published[key], rtol=1e-3, atol=1e-4)
