"""The chest X-ray network: its size, its blocks and skips by hand; it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.blocks import Parallel, Skip
from napari_medsynth.models.cxr_rir import CXRRIR


def constants(module, weight, bias):
    """Let a convolution give weight * (sum of channels at the pixel) + bias."""
    module.weight.zero_()
    middle = module.kernel_size[0] // 2
    module.weight[:, :, middle, middle] = weight
    module.bias.fill_(bias)


def parallels(network):
    return [part for part in network.modules() if isinstance(part, Parallel)]


@pytest.mark.parametrize(("scale", "n"), [(2, 2_893_825), (4, 3_041_537)])
def test_has_the_specified_size(scale, n):
    with torch.device("meta"):
        network = CXRRIR(scale=scale)
    assert sum(p.numel() for p in network.parameters()) == n


def test_four_groups_of_four_blocks_of_three_kernels():
    with torch.device("meta"):
        network = CXRRIR()
    blocks = parallels(network)
    assert len(blocks) == 4 * 4
    for block in blocks:
        kernels = [branch[0].kernel_size[0] for branch in block.branches]
        slopes = [branch[1].negative_slope for branch in block.branches]
        assert (kernels, slopes) == ([1, 3, 5], [0.2, 0.2, 0.2])
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_a_block_adds_its_three_branches_to_its_input():
    network = CXRRIR(width=1, n_groups=1, n_blocks=1).requires_grad_(False)
    (parallel,) = parallels(network)
    block = next(
        part
        for part in network.modules()
        if isinstance(part, Skip) and part.body[0] is parallel
    )
    for branch, weight in zip(parallel.branches, (1.0, -1.0, 2.0), strict=True):
        constants(branch[0], weight, 0.0)
    fuse = parallel.fuse[0]
    fuse.weight.copy_(torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1))
    fuse.bias.fill_(0.5)
    made = block(torch.full((1, 1, 3, 3), 2.0))
    # 2 + [lrelu 2, lrelu -2, lrelu 4] = 2 + 2 + 10 * -0.4 + 100 * 4 + 0.5
    torch.testing.assert_close(made, torch.full((1, 1, 3, 3), 400.5))


def test_a_group_fuses_all_its_blocks_and_skips_lie_around_both():
    network = CXRRIR(scale=1, width=1, n_groups=2, n_blocks=2).requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            constants(module, 1.0, 0.0)
    # Constant images: a block is x + 3 x = 4 x; a group x + (4 x + 16 x) = 21 x;
    # two groups 441 x; the skip around all x + 441 x.
    made = network(torch.full((1, 1, 4, 4), 2.0))
    assert made.flatten().tolist() == [2.0 * 442] * 16


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_enlarges(scale):
    network = CXRRIR(in_channels=2, scale=scale, width=4, n_groups=1, n_blocks=1)
    assert network(torch.zeros(1, 2, 3, 5)).shape == (1, 1, 3 * scale, 5 * scale)


def test_refuses_other_scales():
    with pytest.raises(ValueError, match="got 5"):
        CXRRIR(scale=5, width=4)


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = CXRRIR(width=8, n_groups=1, n_blocks=2)
    blocks = (torch.rand(4, 1, 6, 6) > 0.5).float()
    fine = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    coarse = F.avg_pool2d(fine, 2)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(network(coarse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]
