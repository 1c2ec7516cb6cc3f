"""RDN: the published numbers, its files, how its blocks are joined; it learns."""

from __future__ import annotations

import re

import pytest
import torch
from torch.nn import functional as F

from napari_medsynth.models.rdn import LAYOUTS, RDN

OFFICIAL, YJN870, YJN870_X4 = LAYOUTS
TINY = {"width": 4, "growth": 4, "n_blocks": 2, "n_layers": 3}


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("rdn_b_x2", (64, 16, 8)),
        ("rdn_b_x4", (64, 16, 8)),
        ("rdn_a_x3", (32, 20, 6)),
    ],
)
def test_equals_the_published_network(zoo_golden, name, plan):
    golden = zoo_golden(name)
    assert [layout for layout in LAYOUTS if layout.fits(golden.state)] == [OFFICIAL]
    options = OFFICIAL.options(golden.state)
    assert (options["growth"], options["n_blocks"], options["n_layers"]) == plan
    with torch.device("meta"):
        network = RDN(**options).eval()
    network.load_state_dict(OFFICIAL.renamed(golden.state), assign=True)
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    changes = OFFICIAL.changes(golden.state)
    assert (changes["scale"], changes["value_range"]) == (int(name[-1]), (0.0, 255.0))
    assert changes["is_rgb"]


def yjn870_names(network):
    last = len(network.tail) - 1
    rules = (
        (r"^head\.0\.", "sfe1."),
        (r"^body\.0\.", "sfe2."),
        (
            r"^body\.1\.stages\.(\d+)\.body\.0\.(\d+)\.body\.0\.",
            r"rdbs.\1.layers.\2.conv.",
        ),
        (r"^body\.1\.stages\.(\d+)\.body\.1\.", r"rdbs.\1.lff."),
        (r"^body\.1\.fuse\.", "gff."),
        (rf"^tail\.{last}\.", "output."),
        (r"^tail\.", "upscale."),
    )
    state = {}
    for key, tensor in network.state_dict().items():
        for ours, theirs in rules:
            key = re.sub(ours, theirs, key)
        state[key] = tensor
    return state


@pytest.mark.parametrize(
    ("scale", "layout"), [(2, YJN870), (3, YJN870), (4, YJN870_X4)]
)
def test_files_of_yjn870_are_read(scale, layout):
    torch.manual_seed(0)
    network = RDN(scale=scale, **TINY)
    state = yjn870_names(network)
    assert [one.name for one in LAYOUTS if one.fits(state)] == [layout.name]
    assert layout.options(state) == {
        **{"in_channels": 1, "out_channels": 1, "scale": scale},
        **TINY,
    }
    again = RDN(**layout.options(state))
    again.load_state_dict(layout.renamed(state))
    image = torch.rand(1, 1, 4, 5)
    torch.testing.assert_close(again(image), network(image))
    assert layout.changes(state)["value_range"] == (0.0, 1.0)


def test_a_dense_block_sees_its_input_and_all_its_layers():
    network = RDN(width=1, growth=1, n_blocks=1, n_layers=2)
    block = network.body[1].stages[0].requires_grad_(False)
    for layer, value in zip(block.body[0], (2.0, 3.0), strict=True):
        layer.body[0].weight.zero_()
        layer.body[0].bias.fill_(value)
    fuse = block.body[1]
    fuse.weight.copy_(torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1))
    fuse.bias.zero_()
    made = block(torch.full((1, 1, 2, 2), 5.0))
    assert made.flatten().tolist() == [5 + 5 + 10 * 2 + 100 * 3] * 4


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_enlarges_with_a_growth_of_its_own(scale):
    network = RDN(in_channels=2, scale=scale, width=6, growth=3, n_blocks=2, n_layers=1)
    assert network(torch.zeros(1, 2, 3, 4)).shape == (1, 1, 3 * scale, 4 * scale)


def test_refuses_other_scales():
    with pytest.raises(ValueError, match="got 5"):
        RDN(scale=5, **TINY)


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = RDN(**TINY)
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
