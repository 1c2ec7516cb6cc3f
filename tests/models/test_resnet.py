"""ResNetGenerator: published numbers, hand-worked ones, its files, and learning."""

from __future__ import annotations

from math import tanh

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.models.resnet import LAYOUTS, ResNetGenerator


def layout_of(state):
    (layout,) = (one for one in LAYOUTS if one.fits(state))
    return layout


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("cyclegan_resnet9", "cyclegan"),
        ("resnet9_batch", "resnet"),
        ("pgan_resnet9_dropout", "pgan"),
    ],
)
def test_equals_the_published_network(zoo_golden, name, card):
    golden = zoo_golden(name)
    layout = layout_of(golden.state)
    assert layout.card == card
    network = ResNetGenerator(**layout.options(golden.state)).eval()
    network.load_state_dict(layout.renamed(golden.state))
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))


def published(network):
    """Spell the keys of a network as the published code does."""
    return {
        key.replace(".body.", ".conv_block."): tensor
        for key, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("n_blocks", [6, 9])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_files_say_blocks_norm_and_dropout(n_blocks, norm, dropout):
    network = ResNetGenerator(
        2, 1, width=1, n_blocks=n_blocks, norm=norm, dropout=dropout
    )
    state = published(network)
    layout = layout_of(state)
    assert layout.options(state) == {
        **{"in_channels": 2, "out_channels": 1, "width": 1, "n_blocks": n_blocks},
        **{"norm": norm, "dropout": dropout},
    }
    other = ResNetGenerator(**layout.options(state))
    other.load_state_dict(layout.renamed(state))
    image = torch.rand(1, 2, 16, 12)
    assert torch.equal(other.eval()(image), network.eval()(image))


@pytest.mark.parametrize(
    ("channels", "changes"),
    [((3, 3), {"is_rgb": True}), ((3, 1), {"neighbours": 1}), ((2, 1), {})],
)
def test_three_channels_are_colours_or_neighbouring_slices(channels, changes):
    state = published(ResNetGenerator(*channels, width=1, n_blocks=1))
    assert layout_of(state).changes(state) == changes


def test_statistics_in_old_files_of_instance_norms_are_dropped():
    network = ResNetGenerator(width=1, n_blocks=1, dropout=0.5)
    state = published(network)
    for place in ("model.2", "model.10.conv_block.2", "model.10.conv_block.7"):
        state[f"{place}.running_mean"] = torch.zeros(1)
        state[f"{place}.running_var"] = torch.ones(1)
        state[f"{place}.num_batches_tracked"] = torch.tensor(7)
    layout = layout_of(state)
    assert layout.options(state)["dropout"] == 0.5
    network.load_state_dict(layout.renamed(state))


def test_blocks_add_without_an_activation_after_the_sum():
    network = ResNetGenerator(width=1, n_blocks=1, norm="batch").eval()
    block = network.model[10]
    nn.init.zeros_(block.body[6].weight)
    nn.init.constant_(block.body[6].bias, -3.0)
    image = torch.randn(1, 4, 5, 6)
    assert_close(block(image), image - 3)


def test_borders_are_mirrored_around_the_large_convolutions():
    network = ResNetGenerator(width=2, n_blocks=1)
    first, last = network.model[1], network.model[-2]
    flat = torch.full((1, 1, 8, 8), 0.5)
    expected = 0.5 * first.weight.sum((1, 2, 3)) + first.bias
    assert_close(network.model[:2](flat), expected.view(1, 2, 1, 1).expand(1, 2, 8, 8))
    nn.init.constant_(last.weight, 0.01)
    nn.init.constant_(last.bias, -0.2)
    made = network.model[-3:](flat.expand(1, 2, 8, 8))
    assert_close(made, torch.full_like(flat, tanh(0.01 * 98 * 0.5 - 0.2)))


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_biases_stand_beside_instance_norms_and_in_the_last_layer(norm):
    network = ResNetGenerator(width=1, n_blocks=2, norm=norm)
    convolutions = [
        m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with_bias = [m.bias is not None for m in convolutions]
    assert with_bias == [norm == "instance"] * 9 + [True]


def test_sides_are_kept_and_unknown_norms_refused():
    assert ResNetGenerator(2, 3, width=1, n_blocks=1)(
        torch.zeros(2, 2, 12, 20)
    ).shape == (2, 3, 12, 20)
    with pytest.raises(ValueError, match="norm must be 'batch' or 'instance'"):
        ResNetGenerator(norm="layer")


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"dropout": 0.1}])
def test_learns_another_contrast(pairs, options):
    source, target = pairs(4, 16)
    torch.manual_seed(0)
    network = ResNetGenerator(width=8, n_blocks=1, **options)
    before = F.l1_loss(network(source), target).item()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        loss = F.l1_loss(network(source), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5 * before
