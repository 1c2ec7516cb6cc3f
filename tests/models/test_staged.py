"""The staged generator: each stage doubles what the last one gave; it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.srgan import SRResNet
from napari_medsynth.models.staged import StagedGenerator

TINY = {"width": 4, "n_blocks": 1}


class Double(nn.Module):
    def __init__(self, plus: float) -> None:
        super().__init__()
        self.plus = plus

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.interpolate(image, scale_factor=2) + self.plus


@pytest.mark.parametrize(("scale", "n_stages"), [(2, 1), (4, 2), (8, 3)])
def test_has_a_network_for_each_doubling(scale, n_stages):
    with torch.device("meta"):
        network, one = StagedGenerator(scale=scale), SRResNet(scale=2)
    assert len(network.stages) == n_stages
    n = sum(p.numel() for p in one.parameters())
    assert n == 1_378_899  # that of the card srresnet-x2
    assert sum(p.numel() for p in network.parameters()) == n_stages * n


def test_each_stage_sees_what_the_last_one_gave():
    network = StagedGenerator(scale=8, **TINY)
    network.stages = nn.ModuleList([Double(1.0), Double(10.0), Double(100.0)])
    image = torch.zeros(1, 1, 2, 3)
    made = network.train()(image)
    assert [tuple(one.shape[-2:]) for one in made] == [(4, 6), (8, 12), (16, 24)]
    assert [one.unique().tolist() for one in made] == [[1.0], [11.0], [111.0]]
    torch.testing.assert_close(network.eval()(image), made[-1])


def test_training_reaches_every_stage_through_the_last_output():
    network = StagedGenerator(**TINY).train()
    network(torch.rand(2, 1, 6, 6))[-1].mean().backward()
    for stage in network.stages:
        weights = [m.weight for m in stage.modules() if isinstance(m, nn.Conv2d)]
        assert all(weight.grad is not None for weight in weights)
        assert weights[0].grad.abs().sum() > 0


def test_output_is_not_cut():
    network = StagedGenerator(scale=2, **TINY).eval().requires_grad_(False)
    last = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
    last.weight.zero_()
    last.bias.fill_(-3.0)
    assert network(torch.rand(1, 1, 4, 4)).unique().tolist() == [-3.0]


@pytest.mark.parametrize("scale", [1, 3, 6, 16])
def test_refuses_other_scales(scale):
    with pytest.raises(ValueError, match=f"got {scale}"):
        StagedGenerator(scale=scale, **TINY)


def test_refuses_other_channels():
    with pytest.raises(ValueError, match="got 1 and 3"):
        StagedGenerator(out_channels=3, **TINY)


def test_learns_to_enlarge_in_stages():
    torch.manual_seed(0)
    network = StagedGenerator(width=8, n_blocks=1).train()
    blocks = (torch.rand(4, 1, 4, 4) > 0.5).float()
    fine = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    middle, coarse = F.avg_pool2d(fine, 2), F.avg_pool2d(fine, 4)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(50):
        low, high = network(coarse)
        losses.append(F.l1_loss(low, middle) + F.l1_loss(high, fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
