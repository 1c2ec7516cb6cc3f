"""RDAN: its size, a block by hand, fusion and skips, with and without scale; learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.blocks import ChannelGate, Fusion
from napari_medsynth.models.rdan import RDAN

TINY = {"width": 4, "growth": 4, "n_blocks": 2, "n_layers": 2, "reduction": 2}


def middle(module, values, bias=0.0):
    """Let a convolution weigh the channels of the same pixel by `values`."""
    module.weight.zero_()
    centre = module.kernel_size[0] // 2
    module.weight[0, :, centre, centre] = torch.tensor(values)
    module.bias.fill_(bias)


@pytest.mark.parametrize(
    ("scale", "n"), [(1, 2_236_321), (2, 2_384_033), (4, 2_531_745)]
)
def test_has_the_specified_size(scale, n):
    with torch.device("meta"):
        network = RDAN(scale=scale)
    assert sum(p.numel() for p in network.parameters()) == n
    gates = [m for m in network.modules() if isinstance(m, ChannelGate)]
    assert len(gates) == 8


def test_a_block_sees_all_its_layers_and_weighs_before_the_skip():
    network = RDAN(width=1, growth=1, n_blocks=1, n_layers=2, reduction=1)
    network.requires_grad_(False)
    (fusion,) = (m for m in network.modules() if isinstance(m, Fusion))
    block = fusion.stages[0]
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    first, second, fuse, down, up = convolutions
    middle(first, [1.0])  # 5
    middle(second, [1.0, 2.0], -5.0)  # 5 + 2 * 5 - 5 = 10
    middle(fuse, [1.0, 10.0, 100.0])  # 5 + 50 + 1000
    middle(down, [0.0])
    middle(up, [0.0])  # the gate gives sigmoid(0) = 1 / 2
    made = block(torch.full((1, 1, 3, 3), 5.0))
    torch.testing.assert_close(made, torch.full((1, 1, 3, 3), 5 + 1055 / 2))


def test_all_blocks_are_fused_and_a_skip_lies_around_them():
    network = RDAN(scale=1, width=1, growth=1, n_blocks=2, n_layers=1, reduction=1)
    network.requires_grad_(False)
    (fusion,) = (m for m in network.modules() if isinstance(m, Fusion))
    for parameter in fusion.stages.parameters():
        parameter.zero_()  # blocks give their inputs
    plain = [
        m
        for m in network.modules()
        if isinstance(m, nn.Conv2d) and m not in set(fusion.stages.modules())
    ]
    for module in plain:
        middle(module, [1.0] * module.in_channels)
    # shallow x; second x; fusion of two x: 2 x; plus the first: 3 x
    made = network(torch.full((1, 1, 4, 4), 7.0))
    assert made.flatten().tolist() == [21.0] * 16


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_enlarges_or_keeps_the_size(scale):
    made = RDAN(in_channels=2, scale=scale, **TINY)(torch.zeros(1, 2, 3, 5))
    assert made.shape == (1, 1, 3 * scale, 5 * scale)


def test_refuses_other_scales():
    with pytest.raises(ValueError, match="got 5"):
        RDAN(scale=5, **TINY)


@pytest.mark.parametrize("scale", [1, 2])
def test_learns_to_restore(scale):
    torch.manual_seed(0)
    network = RDAN(scale=scale, **TINY)
    blocks = (torch.rand(4, 1, 6, 6) > 0.5).float()
    fine = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    noise = 0.3 * torch.randn(fine.shape)
    worse = fine + noise if scale == 1 else F.avg_pool2d(fine, 2)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(network(worse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
