"""A network can be trained for another fault than its card says."""

import pytest

from napari_medsynth.training import (
    DataConfig,
    NetworkConfig,
    TrainJob,
    device,
    job_from_card,
)
from napari_medsynth.training.card import fresh_card

OTHER = {"kind": "rician", "sigma": [0.01, 0.1]}


def card_of(**settings):
    network = NetworkConfig(card="edsr-through-plane", **settings)
    data = DataConfig(simulated_share=1.0, planes=("axial",))
    job = TrainJob("mine", "Mine", network=network, data=data)
    return fresh_card(job, network)


def test_the_degradation_of_a_job_replaces_that_of_the_card():
    assert card_of(degradation=OTHER).degradation == OTHER


def test_without_one_the_card_decides():
    assert card_of().degradation["kind"] == "thick-slices"


@pytest.mark.parametrize(
    ("card", "precision", "expected"),
    [
        ("redcnn", "auto", "fp32"),
        ("redcnn", "bf16", "bf16"),
        ("pix2pix", "auto", "bf16"),
    ],
)
def test_what_restores_is_trained_exactly(monkeypatch, card, precision, expected):
    monkeypatch.setattr(device, "cpu_has_bf16", lambda: True)
    changes = {"precision": precision}
    job = job_from_card(card, id="a", title="A", folder="scans", changes=changes)

    assert device.choose_training_precision(job, "cpu") == expected


def test_a_pack_that_restores_is_fine_tuned_exactly(monkeypatch):
    monkeypatch.setattr(device, "cpu_has_bf16", lambda: True)
    data = DataConfig(simulated_share=1)
    jobs = (
        TrainJob(id="a", title="A", base=base, data=data)
        for base in ("cxr-x2", "resvit-starter")
    )

    chosen = [device.choose_training_precision(job, "cpu") for job in jobs]

    assert chosen == ["fp32", "bf16"]
