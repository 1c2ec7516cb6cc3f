"""A model whose attention is known, because it is written into it."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.io import Study, Volume

CARD = ModelCard(
    id="looker",
    family="resvit",
    task="synthesis",
    title="Looker",
    factory="tests:Looker",
    inputs=("T1", "T2"),
    outputs=("FLAIR",),
    size_multiple=8,
    sha256="abcdef" + "0" * 58,
)


class Looker(nn.Module):
    """Two blocks of three layers with two heads; token t looks as `matrices` say.

    The image is the mean source; every token then takes, layer by layer, the mixture of
    tokens that its attention names: so what it looked at is what it is made of.
    """

    def __init__(self, matrices, side=8):
        super().__init__()
        self.matrices = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(m)) for name, m in matrices.items()}
        )
        self.side = side

    def forward(self, image, on_attention=None):
        n, _, height, width = image.shape
        image = image.mean(dim=1, keepdim=True)
        tokens = nn.functional.unfold(image, self.side, stride=self.side)
        for name, layers in self.matrices.items():
            for number, heads in enumerate(layers):
                probabilities = heads.expand(n, *heads.shape)
                if on_attention is not None:
                    on_attention(name, number, probabilities)
                tokens = torch.einsum("nqk,nek->neq", probabilities.mean(dim=1), tokens)
        return nn.functional.fold(tokens, (height, width), self.side, stride=self.side)


@pytest.fixture
def card() -> ModelCard:
    return CARD


@pytest.fixture
def pair(rng) -> Study:
    """T1 and T2 (5, 24, 32), nowhere empty: 3 x 4 tokens of 8 pixels."""
    volumes = {
        m: Volume(
            rng.uniform(100, 900, (1, 5, 24, 32)).astype(np.float32),
            spacing=(3.0, 1.0, 1.0),
            origin=(2.0, -3.0, 4.0),
            modality=m,
            name=m,
        )
        for m in ("T1", "T2")
    }
    return Study(volumes)


@pytest.fixture
def matrices(rng) -> dict[str, np.ndarray]:
    """Attention (layers, heads, 12, 12) of two blocks; rows sum to 1."""
    raw = {name: rng.random((3, 2, 12, 12)) ** 4 for name in ("art_1", "art_6")}
    return {
        name: (m / m.sum(-1, keepdims=True)).astype(np.float32)
        for name, m in raw.items()
    }


@pytest.fixture
def prepared(pair, card):
    return prepare_study(pair, card)


@pytest.fixture
def network(card, matrices) -> SliceNetwork:
    return SliceNetwork(card, model=Looker(matrices))
