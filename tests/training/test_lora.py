"""LoRA: thin corrections of the attention projections."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training.lora import add_lora, merged_state

EMBED_DIM, RANK = 8, 2


def tiny(seed: int = 0) -> ResViT:
    torch.manual_seed(seed)
    return ResViT(
        *(1, 1),
        width=2,
        n_blocks=2,
        transformer_blocks=(1, 2),
        embed_dim=EMBED_DIM,
        depth=2,
        n_heads=2,
        mlp_dim=12,
        token_grid=(2, 2),
    ).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def shaken(model: nn.Module) -> nn.Module:
    """Give the corrections of `model` other values than zero."""
    with torch.no_grad():
        for parameter in add_lora(model, RANK):
            parameter.add_(torch.randn_like(parameter))
    return model


def test_a_correction_is_nothing_at_first(image):
    model, plain = tiny(), tiny()

    add_lora(model, RANK)

    assert_close(model(image), plain(image), atol=0, rtol=0)


def test_each_projection_gets_two_thin_matrices_once(image):
    added = add_lora(tiny(), RANK)

    shapes = [tuple(parameter.shape) for parameter in added]
    # One transformer of 2 layers with 4 projections, though two blocks use it.
    assert shapes == [(RANK, EMBED_DIM), (EMBED_DIM, RANK)] * 8


def test_the_rank_is_at_most_the_side_of_a_weight():
    assert add_lora(tiny(), 99)[0].shape == (EMBED_DIM, EMBED_DIM)


def test_the_merged_state_is_that_of_the_plain_network(image):
    model, plain = shaken(tiny()), tiny()
    before = plain(image)

    plain.load_state_dict(merged_state(model))

    assert_close(plain(image), model(image))
    assert (plain(image) - before).abs().max() > 1e-3
    assert list(merged_state(plain)) == list(plain.state_dict())


def test_copies_and_states_carry_the_corrections(image):
    model, other = shaken(tiny()), tiny(seed=5)
    add_lora(other, RANK)

    copied = deepcopy(model)
    other.load_state_dict(model.state_dict())

    assert_close(copied(image), model(image), atol=0, rtol=0)
    assert_close(other(image), model(image), atol=0, rtol=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert_close(copied(image), other(image), atol=0, rtol=0)
