"""UNet: the published numbers, hand-worked ones, its files, and that it learns."""

from __future__ import annotations

from math import tanh

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.blocks import SliceNorm2d, set_norm_statistics
from napari_medsynth.models.unet import LAYOUTS, UNet


def layout_of(state):
    (layout,) = (one for one in LAYOUTS if one.fits(state))
    return layout


def loaded(golden):
    layout = layout_of(golden.state)
    network = UNet(**layout.options(golden.state)).eval()
    network.load_state_dict(layout.renamed(golden.state))
    return network


@pytest.mark.parametrize("name", ["pix2pix_unet256", "pix2pix_unet128_instance"])
def test_equals_the_published_network(zoo_golden, name):
    golden = zoo_golden(name)
    network = loaded(golden)
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))


def test_equals_the_published_network_with_statistics_of_the_slice(zoo_golden):
    golden = zoo_golden("pix2pix_unet256")
    network = loaded(golden)
    set_norm_statistics(network, "batch")
    with torch.no_grad():
        made = network(golden.arrays["x"])
    golden.check(made, "y_batch_stats")
    assert (made - golden.arrays["y"]).abs().max() > 0.01  # of running statistics


def test_files_say_depth_width_norm_and_channels(zoo_golden):
    batch, instance = (
        zoo_golden(name).state
        for name in ("pix2pix_unet256", "pix2pix_unet128_instance")
    )
    assert layout_of(batch).card == "pix2pix"
    assert layout_of(batch).changes(batch) == {"size_multiple": 256}
    layout = layout_of(instance)
    assert layout.card == "pix2pix-128"
    assert layout.options(instance) == {
        **{"in_channels": 3, "out_channels": 1, "width": 16},
        **{"depth": 7, "norm": "instance"},
    }
    assert layout.changes(instance) == {"size_multiple": 128, "neighbours": 1}


def published(network):
    """Spell the keys of a network as the published code does."""
    return {
        "model." + key.replace(".body.", ".model."): tensor
        for key, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("depth", [7, 8])
def test_files_load_back_into_a_network_of_their_sizes(depth, norm):
    network = UNet(1, 2, width=1, depth=depth, norm=norm)
    state = published(network)
    layout = layout_of(state)
    other = UNet(**layout.options(state))
    other.load_state_dict(layout.renamed(state))
    image = torch.rand(1, 1, 2**depth, 2**depth)
    assert torch.equal(other.eval()(image), network.eval()(image))


def test_statistics_in_old_files_of_instance_norms_are_dropped():
    network = UNet(width=1, depth=7, norm="instance")
    state = published(network)
    state["model.model.1.model.2.running_mean"] = torch.zeros(2)
    state["model.model.1.model.2.num_batches_tracked"] = torch.tensor(3)
    layout = layout_of(state)
    assert set(layout.renamed(state)) == set(network.state_dict())


def test_colours_in_and_out_are_told():
    state = published(UNet(3, 3, width=1, depth=8))
    assert layout_of(state).changes(state) == {"size_multiple": 256, "is_rgb": True}


def pick(layer, row=1, column=1, values=(1.0,)):
    """Let a convolution take one pixel of its window, weighted by channel."""
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[..., row, column] = torch.tensor(values).view(
            layer.weight.shape[:2]
        )


def test_hand_worked_numbers():
    network = UNet(width=1, depth=2).eval()
    down, level, _, up, _ = network.model
    _, inner_down, _, inner_up, norm = level.body
    pick(down)  # pixels (2 i, 2 j)
    pick(inner_down, values=(3.0, -5.0))  # of these, the first one
    pick(inner_up, values=(0.5, 2.0))  # into the first of four pixels
    pick(up, values=(0.25, 4.0))  # skip, inner level; into pixels (2 i, 2 j)
    norm.eps = 0.0
    nn.init.ones_(norm.weight)
    nn.init.constant_(up.bias, 0.1)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0, 0], image[0, 0, 0, 2], image[0, 0, 2, 2] = -0.5, 1.0, -2.0

    made = network(image)[0, 0]

    # leaky -0.5 -> -0.1; times 3, -5 -> relu 0, 0.5; 0.5 * 2 = 1.0 beside the skip,
    # whose -0.5 is cut by the next relu: 4 * 1.0 + 0.1.
    assert made[0, 0].item() == pytest.approx(tanh(4.1), abs=1e-6)
    assert made[0, 2].item() == pytest.approx(tanh(0.25 + 0.1), abs=1e-6)
    assert made[2, 2].item() == pytest.approx(tanh(0.1), abs=1e-6)
    assert made[1, 1].item() == pytest.approx(tanh(0.1), abs=1e-6)


@pytest.mark.parametrize(("depth", "n_drops"), [(8, 3), (7, 2), (5, 0)])
def test_dropout_is_in_the_middle_levels_of_full_width(depth, n_drops):
    network = UNet(width=1, depth=depth)
    drops = [name for name, m in network.named_modules() if isinstance(m, nn.Dropout)]
    assert len(drops) == n_drops
    assert all(name.endswith(".7") for name in drops)
    assert not [
        m for m in UNet(width=1, dropout=0.0).modules() if type(m) is nn.Dropout
    ]


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_biases_stand_beside_instance_norms_and_in_the_last_layer(norm):
    network = UNet(width=1, depth=4, norm=norm)
    convolutions = [
        m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert len(convolutions) == 8
    with_bias = [m.bias is not None for m in convolutions]
    assert with_bias == [norm == "instance"] * 7 + [True]
    norms = [m for m in network.modules() if isinstance(m, SliceNorm2d)]
    assert len(norms) == (5 if norm == "batch" else 0)


def test_first_weights_are_the_published_ones():
    torch.manual_seed(0)
    network = UNet(width=16, depth=4)
    down = network.model[1].body[1]
    assert down.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.model[1].body[2].weight.std().item() == pytest.approx(0.02, rel=0.5)
    assert network.model[1].body[2].weight.mean().item() == pytest.approx(1, abs=0.02)
    assert not network.model[3].bias.any()


def test_refuses_what_is_no_unet():
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        UNet(depth=1)
    with pytest.raises(ValueError, match="norm must be 'batch' or 'instance'"):
        UNet(norm="group")


def test_learns_another_contrast(pairs):
    source, target = pairs(4, 16)
    torch.manual_seed(0)
    network = UNet(width=8, depth=3)
    set_norm_statistics(network, "batch")
    network.eval()
    before = F.l1_loss(network(source), target).item()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        loss = F.l1_loss(network(source), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * before
