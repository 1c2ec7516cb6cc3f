"""The jobs of the packs that restore: readable, small enough, honest in their cards."""

import tomllib

import pytest

from napari_medsynth.resources import resource
from napari_medsynth.simulate import factor_of
from napari_medsynth.training import read_job
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.network import build_model

JOBS = {
    "cxr-x2": (2, 2),
    "cxr-x4": (4, 4),
    "mr-x2-through-plane": (2, 1),
    "ct-low-dose": (1, 1),
}
MOST_BYTES = 4e6


@pytest.fixture
def job_of(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_SHARED", str(tmp_path))
    return lambda name: read_job(resource("training", f"{name}.toml"))


@pytest.mark.parametrize("name", JOBS)
def test_the_card_says_what_is_restored_and_what_it_is_not_for(name, job_of):
    job = job_of(name)
    card = fresh_card(job, job.network)

    assert card.id == name
    assert factor_of(card.degradation) == JOBS[name]
    assert card.is_restoration
    assert card.inputs != card.outputs
    assert card.limits.endswith("Not for diagnosis.")
    assert card.training_data
    assert card.licence


@pytest.mark.parametrize("name", JOBS)
def test_the_weights_are_small_in_half_precision(name, job_of):
    job = job_of(name)
    model = build_model(fresh_card(job, job.network))

    assert 2 * sum(p.numel() for p in model.parameters()) < MOST_BYTES


@pytest.mark.parametrize("name", JOBS)
def test_what_is_held_out_is_not_learnt_from(name):
    text = resource("training", f"{name}.toml").read_text(encoding="utf-8")
    studies = tomllib.loads(text)["data"]["studies"]
    paths = " ".join(path for study in studies for path in study.values())

    for held_out in ("00000050", "gdcm-CR", "ms_lesjak", "ms_longitudinal", "phantom"):
        assert held_out not in paths
