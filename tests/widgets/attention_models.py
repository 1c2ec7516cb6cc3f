"""Two models whose attention is known, in a real engine, for the Attention dock."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard

SIDE = 8  # pixels of a token


def looker_card(name: str) -> ModelCard:
    return ModelCard(
        id=name,
        family="resvit",
        task="synthesis",
        title=name.title(),
        factory="tests:Looker",
        inputs=("T1", "T2"),
        outputs=("FLAIR",),
        size_multiple=SIDE,
        sha256=name.encode().hex().ljust(64, "0"),
    )


class Looker(nn.Module):
    """Every token of an image of 40 x 40 looks at the token `shift` further on."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("matrix", torch.eye(25).roll(shift, dims=1))

    def forward(self, image, on_attention=None):
        if on_attention is not None:
            heads = self.matrix.expand(len(image), 2, 25, 25)
            for layer in range(2):
                on_attention("art_1", layer, heads)
        return image.mean(dim=1, keepdim=True) + self.weight


def looked_at(row: int, column: int, shift: int) -> tuple[int, int]:
    """Give the token that one layer of a `Looker` looks at from a pixel."""
    token = (row // SIDE) * 5 + column // SIDE + shift
    return divmod(token % 25, 5)


def only(values: np.ndarray) -> tuple[int, ...]:
    """Give where the one value above 0 is."""
    (where,) = np.argwhere(values > 0)
    return tuple(where.tolist())
