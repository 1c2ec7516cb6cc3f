"""MDRN: the published numbers, its files, its attention by hand; it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.blocks import Skip
from napari_medsynth.models.mdrn import (
    MDRN,
    ContrastGate,
    DistillationBlock,
    Separable,
    SpatialGate,
    local_variance,
)
from napari_medsynth.models.mdrn_layouts import LAYOUTS

(OFFICIAL,) = LAYOUTS
TINY = {"width": 16, "n_blocks": 2}


def test_equals_the_published_network(zoo_golden):
    golden = zoo_golden("mdrn_x2")
    assert OFFICIAL.fits(golden.state)
    options = OFFICIAL.options(golden.state)
    assert options == {
        **{"in_channels": 3, "out_channels": 3, "scale": 2, "residual": False},
        **{"width": 56, "n_blocks": 8},
    }
    network = MDRN(**options).eval()
    network.load_state_dict(OFFICIAL.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    changes = OFFICIAL.changes(golden.state)
    assert (changes["scale"], changes["value_range"]) == (2, (0.0, 1.0))
    assert changes["is_rgb"]
    assert changes["tile"] % changes["size_multiple"] == 0


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scale_and_sizes_are_read_from_a_file(scale):
    state = {
        "fea_conv.weight": torch.zeros(20, 1, 3, 3),
        "c1.weight": torch.zeros(20, 60, 1, 1),
        "upsampler.upsampleOneStep.0.bias": torch.zeros(scale**2),
    }
    options = OFFICIAL.options(state)
    assert (options["scale"], options["width"], options["n_blocks"]) == (scale, 20, 3)
    assert OFFICIAL.changes(state)["size_multiple"] == 16 * scale


def test_a_separable_convolution_mixes_then_filters_with_reflected_edges():
    layer = Separable(2, 1).requires_grad_(False)
    layer[0].weight.copy_(torch.tensor([1.0, 10.0]).view(1, 2, 1, 1))
    layer[1].weight.zero_()
    layer[1].weight[0, 0, 1, 0] = 1.0  # the left neighbour
    layer[1].bias.fill_(0.5)
    row = torch.tensor([1.0, 2.0, 3.0])
    image = torch.stack([row.expand(3, 3), torch.ones(3, 3)])[None]
    # mixed: 11, 12, 13; left of the first is, reflected, the second
    assert layer(image)[0, 0, 1].tolist() == [12.5, 11.5, 12.5]
    assert layer[0].bias is None


def test_local_variance_is_that_of_windows_of_seven():
    rows = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 1, 8, 8)
    made = local_variance(rows)
    # the first window's rows, the edge reflected: 1, 0, 1, 2, 3, 4, 5
    values = torch.tensor([1.0, 0, 1, 2, 3, 4, 5]).repeat_interleave(7)
    assert made.shape == (1, 1, 2, 2)
    torch.testing.assert_close(made[0, 0, 0, 0], values.var())


def test_contrast_gate_weighs_by_mean_and_deviation():
    gate = ContrastGate(2, reduction=2).requires_grad_(False)
    for parameter in gate.parameters():
        parameter.zero_()
    gate.gate[0].weight[0, 0] = 1.0
    gate.gate[2].weight[1, 0] = 1.0
    image = torch.tensor([[1.0, 5.0], [1.0, 5.0]]).expand(1, 2, 2, 2)
    made = gate(image)  # mean 3, deviation 2
    torch.testing.assert_close(made[0, 0], 0.5 * image[0, 0])
    torch.testing.assert_close(made[0, 1], torch.tensor(5.0).sigmoid() * image[0, 1])


def test_a_spatial_gate_without_weights_halves():
    gate = SpatialGate(16).requires_grad_(False)
    for parameter in gate.expand.parameters():
        parameter.zero_()
    image = torch.rand(1, 16, 15, 17)
    torch.testing.assert_close(gate(image), 0.5 * image)


def test_a_spatial_gate_sees_variance_far_away():
    torch.manual_seed(0)
    gate = SpatialGate(16).eval().requires_grad_(False)
    image = torch.rand(1, 16, 31, 31)
    busy = image.clone()
    busy[..., :8, :8] *= torch.rand(8, 8) * 4
    difference = (gate(busy) - gate(image))[..., 12:, 12:].abs().amax((0, 1))
    assert difference[0, 0] > 0


def test_a_block_without_weights_gives_its_input():
    block = DistillationBlock(16).requires_grad_(False)
    for parameter in block.fuse.parameters():
        parameter.zero_()
    for parameter in block.attend[1].body[3].parameters():
        parameter.zero_()
    image = torch.rand(1, 16, 15, 15)
    torch.testing.assert_close(block(image), image)


@pytest.mark.parametrize("residual", [False, True])
def test_silent_tail_leaves_mean_or_enlarged_image(residual):
    network = MDRN(in_channels=3, out_channels=3, residual=residual, **TINY)
    for parameter in network.network.tail.parameters():
        nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 16, 16)
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
    expected = mean.expand(1, 3, 32, 32)
    if residual:
        expected = F.interpolate(image, (32, 32), mode="bilinear")
    torch.testing.assert_close(network(image), expected)


def test_has_no_batch_norm_and_no_mean_for_one_channel():
    network = MDRN(**TINY)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert network.mean.tolist() == [[[[0.0]]]]
    assert "mean" not in network.state_dict()
    attend = network.network.body[0].stages[0].attend
    assert all(isinstance(part, Skip) for part in attend)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarges_the_smallest_image_it_can(scale):
    made = MDRN(scale=scale, **TINY)(torch.zeros(1, 1, 15, 16))
    assert made.shape == (1, 1, 15 * scale, 16 * scale)


def test_refuses_other_channels():
    with pytest.raises(ValueError, match="got 1 and 3"):
        MDRN(out_channels=3, **TINY)


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = MDRN(width=16, n_blocks=1)
    blocks = (torch.rand(2, 1, 8, 8) > 0.5).float()
    fine = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    coarse = F.avg_pool2d(fine, 2)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(network(coarse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
