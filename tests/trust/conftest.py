"""Models whose contributions are known, because they are written into them."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.io import Study, Volume

CONTRASTS = ("T1", "T2", "PD", "FLAIR")
CARD = ModelCard(
    id="mixer",
    family="resvit",
    task="synthesis",
    title="Mixer",
    factory="tests:Mixer",
    inputs=CONTRASTS,
    outputs=CONTRASTS,
    is_unified=True,
    size_multiple=8,
    sha256="abcdef" + "0" * 58,
)


class Mixer(nn.Module):
    """Output o is the sum over inputs i of ``weights[o][i]`` times the input."""

    def __init__(self, weights):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights, dtype=torch.float32))
        self.sizes = []

    def forward(self, image):
        self.sizes.append(len(image))
        return torch.einsum("oi,nihw->nohw", self.weight, image)

    def __deepcopy__(self, memo):  # made ready is copied: keep looking at this one
        return self


class Brightest(nn.Module):
    """Every output is the larger one of the first two inputs."""

    def forward(self, image):
        brighter = torch.maximum(image[:, 0], image[:, 1])
        return brighter[:, None].expand_as(image)


@pytest.fixture
def card() -> ModelCard:
    return CARD


@pytest.fixture
def quad(rng) -> Study:
    """T1, T2, PD and FLAIR (3, 24, 20), random inside of a rim of air."""
    volumes = {}
    for modality in CONTRASTS:
        array = np.zeros((1, 3, 24, 20), np.float32)
        array[:, :, 3:-3, 3:-3] = rng.uniform(100, 900, (1, 3, 18, 14))
        volumes[modality] = Volume(
            array,
            spacing=(3.0, 1.0, 1.0),
            origin=(2.0, -3.0, 4.0),
            modality=modality,
            name=modality,
        )
    return Study(volumes, subject="Jane Doe")


@pytest.fixture
def without():
    """``without(study, "FLAIR")``: the study, some contrasts hidden."""

    def hide(study, *hidden):
        rest = {m: study[m] for m in study.modalities if m not in hidden}
        return Study(rest, subject=study.subject)

    return hide


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's folder, empty."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def last_of():
    """Exhaust a generator: ``result, steps``."""

    def exhaust(generator):
        steps = []
        while True:
            try:
                steps.append(next(generator))
            except StopIteration as stop:
                return stop.value, steps

    return exhaust
