"""A network can be trained for another fault than its card says."""

from napari_medsynth.training import DataConfig, NetworkConfig, TrainJob
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
