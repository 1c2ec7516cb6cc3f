"""RCAN: the published numbers, its files, its gates; it learns."""

from __future__ import annotations

import re

import pytest
import torch
from torch.nn import functional as F

from napari_medsynth.models.rcan import LAYOUTS, RCAN

OFFICIAL, BASICSR = LAYOUTS
TINY = {"width": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2}


@pytest.mark.parametrize("name", ["rcan_x2", "rcan_x4"])
def test_equals_the_published_network(zoo_golden, name):
    golden = zoo_golden(name)
    assert OFFICIAL.fits(golden.state)
    options = OFFICIAL.options(golden.state)
    assert (options["n_groups"], options["n_blocks"]) == (10, 20)
    assert options["reduction"] == 16
    with torch.device("meta"):
        network = RCAN(**options).eval()
    network.load_state_dict(OFFICIAL.renamed(golden.state), assign=True)
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
    made = sum(p.numel() for p in network.parameters())
    assert made + 24 == golden.meta["parameters"]  # two fixed mean shifts
    changes = OFFICIAL.changes(golden.state)
    assert (changes["scale"], changes["value_range"]) == (int(name[-1]), (0.0, 255.0))


def basicsr_names(network):
    rules = (
        (r"^head\.0\.", "conv_first."),
        (
            r"^body\.0\.(\d+)\.body\.0\.(\d+)\.body\.",
            r"body.\1.residual_group.\2.rcab.",
        ),
        (r"^body\.0\.(\d+)\.body\.1\.", r"body.\1.conv."),
        (r"^body\.1\.(weight|bias)$", r"conv_after_body.\1"),
        (r"\.gate\.", ".attention."),
        (r"^tail\.0\.", "upsample."),
        (r"^tail\.1\.", "conv_last."),
    )
    state = {}
    for key, tensor in network.state_dict().items():
        for ours, theirs in rules:
            key = re.sub(ours, theirs, key)
        state[key] = tensor
    return state


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_files_of_basicsr_are_read(scale):
    torch.manual_seed(0)
    network = RCAN(in_channels=3, out_channels=3, scale=scale, **TINY)
    state = basicsr_names(network)
    assert "body.1.residual_group.2.rcab.3.attention.1.weight" in state
    assert [layout.name for layout in LAYOUTS if layout.fits(state)] == [BASICSR.name]
    again = RCAN(**BASICSR.options(state))
    again.load_state_dict(BASICSR.renamed(state))
    image = 255 * torch.rand(1, 3, 4, 5)
    torch.testing.assert_close(again(image), network(image))
    assert BASICSR.changes(state)["scale"] == scale


def test_closed_gates_leave_only_the_skips():
    network = RCAN(**TINY)
    group = network.body[0][0]
    for block in group.body[0]:
        torch.nn.init.zeros_(block.body[3].gate[3].weight)
        torch.nn.init.constant_(block.body[3].gate[3].bias, -1e4)
    image = torch.rand(1, 4, 5, 6)
    torch.testing.assert_close(group(image), image + group.body[1](image))


def test_shapes_without_and_with_colours():
    for channels in (1, 3):
        network = RCAN(in_channels=channels, out_channels=channels, scale=3, **TINY)
        assert network(torch.zeros(2, channels, 4, 5)).shape == (2, channels, 12, 15)


def test_refuses_a_gate_without_channels():
    with pytest.raises(ValueError, match="reduction must be from 1 to width 8"):
        RCAN(width=8)


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = RCAN(**TINY)
    fine = (torch.rand(4, 1, 6, 6) > 0.5).float().repeat_interleave(4, 2)
    fine = fine.repeat_interleave(4, 3)
    coarse = F.avg_pool2d(fine, 2)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(network(coarse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]
