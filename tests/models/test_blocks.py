"""Blocks: their arithmetic, against numbers made by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.models.blocks import (
    ARTBlock,
    ChannelCompression,
    ResidualBlock,
    SelfAttention,
    SliceNorm2d,
    TransformerEncoder,
    downsample,
    resample_positions,
    set_norm_statistics,
    upsample,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(20220418)


def norm_of(statistics: str) -> SliceNorm2d:
    norm = SliceNorm2d(1, eps=0.0).eval()
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    torch.nn.init.constant_(norm.weight, 10.0)
    torch.nn.init.constant_(norm.bias, 0.5)
    set_norm_statistics(norm, statistics)
    return norm


def test_slice_statistics_are_mean_and_biased_variance_of_each_sample():
    # first slice: mean 3, variance 4; second: mean 30, variance 400
    image = torch.tensor([[1.0, 5.0], [10.0, 50.0]]).view(2, 1, 1, 2)

    assert_close(
        norm_of("batch")(image).flatten(), torch.tensor([-9.5, 10.5, -9.5, 10.5])
    )


def test_running_statistics_are_those_of_batch_norm():
    image = torch.tensor([[1.0, 5.0]]).view(1, 1, 1, 2)

    assert_close(norm_of("running")(image).flatten(), torch.tensor([0.5, 20.5]))


def test_many_slices_at_once_equal_one_at_a_time():
    norm = SliceNorm2d(3).eval()
    set_norm_statistics(norm, "batch")
    images = torch.randn(5, 3, 8, 6) * torch.arange(1, 6).view(5, 1, 1, 1)

    assert_close(norm(images), torch.cat([norm(image[None]) for image in images]))


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_training_is_batch_norm_and_updates_running_statistics(statistics):
    ours, theirs = SliceNorm2d(3), torch.nn.BatchNorm2d(3)
    set_norm_statistics(ours, statistics)
    images = torch.randn(4, 3, 5, 5) + 2

    assert_close(ours(images), theirs(images))
    assert_close(ours.running_mean, theirs.running_mean)
    assert_close(ours.running_var, theirs.running_var)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_unknown_statistics_are_refused():
    with pytest.raises(ValueError, match=r"'running' or 'batch', got 'slice'"):
        set_norm_statistics(SliceNorm2d(1), "slice")


def test_silent_residual_leaves_the_image_unchanged():
    block = ResidualBlock(4).eval()
    torch.nn.init.zeros_(block.conv_block[6].weight)
    image = torch.randn(2, 4, 5, 7)

    assert_close(block(image), image)
    assert (block(image) < 0).any()  # no ReLU after the sum


def test_sides_are_halved_and_doubled():
    image = torch.randn(2, 3, 8, 12)

    assert torch.nn.Sequential(*downsample(3, 5))(image).shape == (2, 5, 4, 6)
    assert torch.nn.Sequential(*upsample(3, 5))(image).shape == (2, 5, 16, 24)


def test_channel_compression_adds_its_shortcut_before_the_relu():
    block = ChannelCompression(4, 2).eval()
    torch.nn.init.zeros_(block.block[4].weight)
    image = torch.randn(1, 4, 6, 6)

    assert_close(block(image), F.relu(block.skip(image)))


def test_reported_probabilities_sum_to_one_and_give_the_fused_output():
    attention = SelfAttention(12, n_heads=3)
    tokens = torch.randn(2, 7, 12)
    reports = []

    recorded = attention(tokens, reports.append)

    assert_close(recorded, attention(tokens))
    (probabilities,) = reports
    assert probabilities.shape == (2, 3, 7, 7)
    assert_close(probabilities.sum(-1), torch.ones(2, 3, 7))


def test_attention_of_one_head_equals_the_formula():
    attention = SelfAttention(2, n_heads=1)
    for layer in (attention.query, attention.key, attention.value, attention.out):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    tokens = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    near = np.exp(2**-0.5) / (np.exp(2**-0.5) + 1)

    expected = torch.tensor([[[near, 1 - near], [1 - near, near]]]).float()
    assert_close(attention(tokens), expected)


def test_heads_must_divide_the_token():
    with pytest.raises(ValueError, match="n_heads must divide embed_dim 10, got 3"):
        SelfAttention(10, n_heads=3)


def test_encoder_reports_each_layer_in_order():
    encoder = TransformerEncoder(8, depth=3, n_heads=2, mlp_dim=16).eval()
    tokens = torch.randn(1, 4, 8)
    layers = []

    recorded = encoder(tokens, lambda layer, _: layers.append(layer))

    assert layers == [0, 1, 2]
    assert_close(recorded, encoder(tokens))


def test_encoder_ends_with_a_norm():
    encoder = TransformerEncoder(8, depth=1, n_heads=2, mlp_dim=16).eval()
    encoded = encoder(torch.randn(2, 4, 8))

    assert_close(encoded.mean(-1), torch.zeros(2, 4), atol=1e-5, rtol=0)
    assert_close(encoded.var(-1, unbiased=False), torch.ones(2, 4), atol=1e-3, rtol=0)


def test_resampled_positions_keep_their_corners_and_interpolate_between():
    positions = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 4, 1)  # rows 0 1 | 2 3

    resampled = resample_positions(positions, (2, 2), (3, 5)).view(3, 5)

    rows, columns = torch.tensor([0.0, 1.0, 2.0]), torch.linspace(0, 1, 5)
    assert_close(resampled, rows[:, None] + columns)
    assert resample_positions(positions, (2, 2), (2, 2)) is positions


def test_art_block_without_any_transformer_says_so():
    block = ARTBlock(4, 8, token_grid=(1, 1))

    with pytest.raises(ValueError, match="give a shared one"):
        block(torch.zeros(1, 4, 8, 8))
