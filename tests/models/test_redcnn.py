"""RED-CNN: the published numbers, its files, its skips by hand; it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_medsynth.models.redcnn import LAYOUTS, REDCNN

OFFICIAL, SHARED_LAYERS = LAYOUTS


def test_equals_the_published_network_before_and_after_the_skip(zoo_golden):
    golden = zoo_golden("redcnn")
    assert [one for one in LAYOUTS if one.fits(golden.state)] == [OFFICIAL]
    options = OFFICIAL.options(golden.state)
    assert options == {"in_channels": 1, "out_channels": 1, "width": 96}
    network = REDCNN(**options).eval()
    network.load_state_dict(OFFICIAL.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
        golden.check(network.body[0].body(golden.arrays["x"]), "before_skip")
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]


def test_files_with_one_convolution_for_all_layers_are_refused():
    names = ("conv_first", "conv", "conv_t", "conv_t_last")
    state = {f"{name}.weight": torch.zeros(1) for name in names}
    assert [one for one in LAYOUTS if one.fits(state)] == [SHARED_LAYERS]
    assert "another network" in SHARED_LAYERS.refused
    assert not OFFICIAL.refused


def test_three_skips_add_up():
    network = REDCNN(width=1).requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.zero_()
            module.weight[0, 0, 2, 2] = 1.0  # gives back the pixel in the middle
            module.bias.zero_()
    image = torch.zeros(1, 1, 21, 21)
    image[0, 0, 10, 10] = 5.0
    made = network(image)
    # inner: x + x, middle: x + 2 x, outer: x + 3 x
    assert made[0, 0, 10, 10] == 4 * 5
    assert made.sum() == 20
    # a negative pixel passes the last skip only, and the last ReLU cuts it
    assert network(-image).abs().sum() == 0


def test_the_inner_skip_adds_before_the_relu():
    network = REDCNN(width=1).requires_grad_(False)
    inner = network.body[0].body[4].body[4]
    assert [type(part) for part in inner.body] == [
        nn.Conv2d,
        nn.ReLU,
        nn.ConvTranspose2d,
    ]
    n_relus = sum(isinstance(part, nn.ReLU) for part in network.modules())
    assert n_relus == 5 + 4 + 1


def test_keeps_any_size_from_21():
    network = REDCNN(width=2)
    for sides in ((21, 21), (21, 34)):
        assert network(torch.zeros(1, 1, *sides)).shape == (1, 1, *sides)


def test_refuses_other_channels():
    with pytest.raises(ValueError, match="got 1 and 2"):
        REDCNN(out_channels=2)


def test_learns_to_denoise():
    torch.manual_seed(0)
    network = REDCNN(width=8)
    blocks = (torch.rand(2, 1, 4, 4) > 0.5).float()
    clean = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    noisy = clean + 0.4 * torch.randn(clean.shape)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(120):
        losses.append((network(noisy) - clean).square().mean())
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] < 0.5 * (noisy - clean).square().mean()
