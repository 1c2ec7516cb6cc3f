"""EDSR: the published numbers, its files, its mean shift, its reach; it learns."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_medsynth.catalogue import get_card
from napari_medsynth.models.blocks import MeanShift
from napari_medsynth.models.edsr import EDSR, LAYOUTS

OFFICIAL, SUPER_IMAGE, BASICSR = LAYOUTS
TINY = {"width": 4, "n_blocks": 2}


def official_names(network):
    """Spell our keys as the official code does, with its mean shifts."""
    n = len(network.body[0])
    state = {}
    for key, tensor in network.state_dict().items():
        key = key.replace("body.0.", "body.", 1) if key.startswith("body.0.") else key
        state[key.replace("body.1.", f"body.{n}.") if _is_last(key) else key] = tensor
    for sign, name in ((-1, "sub_mean"), (1, "add_mean")):
        shift = MeanShift(sign).state_dict()
        state |= {f"{name}.{key}": value for key, value in shift.items()}
    return state


def _is_last(key):
    return key in ("body.1.weight", "body.1.bias")


def basicsr_names(network):
    parts = (
        ("head.0.", "conv_first."),
        ("tail.0.", "upsample."),
        ("tail.1.", "conv_last."),
    )
    state = {}
    for key, tensor in network.state_dict().items():
        for ours, theirs in parts:
            key = key.replace(ours, theirs) if key.startswith(ours) else key
        key = key.replace(".body.0.", ".conv1.").replace(".body.2.", ".conv2.")
        key = key.replace("body.1.", "conv_after_body.") if _is_last(key) else key
        state[key.replace("body.0.", "body.", 1)] = tensor
    return state


@pytest.mark.parametrize(
    "name",
    ["edsr_baseline_x2", "edsr_baseline_x3", "edsr_baseline_x4", "edsr_paper_x2"],
)
def test_equals_the_published_network(zoo_golden, name):
    golden = zoo_golden(name)
    assert OFFICIAL.fits(golden.state)
    network = EDSR(**OFFICIAL.options(golden.state)).eval()
    network.load_state_dict(OFFICIAL.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
    made = sum(p.numel() for p in network.parameters())
    assert made + 24 == golden.meta["parameters"]  # two fixed mean shifts
    changes, scale = OFFICIAL.changes(golden.state), int(name[-1])
    assert changes["value_range"] == (0.0, 255.0)
    assert changes["is_rgb"]
    assert changes["scale"] == changes["size_multiple"] == scale
    assert changes["degradation"]["factor"] == [scale, scale]


def test_a_file_of_super_image_has_the_same_keys_but_no_shift():
    torch.manual_seed(0)
    state = official_names(EDSR(in_channels=3, out_channels=3, **TINY))
    image = torch.rand(1, 3, 5, 6)
    made = []
    for layout in (OFFICIAL, SUPER_IMAGE):
        assert layout.fits(state)
        network = EDSR(**layout.options(state))
        network.load_state_dict(layout.renamed(state))
        made.append(network(image))
    assert SUPER_IMAGE.changes(state)["value_range"] == (0.0, 1.0)
    assert (made[0] - made[1]).abs().mean() > 1
    plain = network.tail(network.head(image) + network.body(network.head(image)))
    torch.testing.assert_close(made[1], plain)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_files_of_basicsr_are_read(scale, in_channels):
    torch.manual_seed(0)
    sizes = {"in_channels": in_channels, "out_channels": in_channels, "scale": scale}
    network = EDSR(**sizes, **TINY)
    state = basicsr_names(network)
    assert [layout.name for layout in LAYOUTS if layout.fits(state)] == [BASICSR.name]
    options = BASICSR.options(state)
    assert options == {**sizes, **TINY, "res_scale": 1.0, "colour_range": 255.0}
    again = EDSR(**options)
    again.load_state_dict(BASICSR.renamed(state))
    image = torch.rand(1, in_channels, 4, 5)
    torch.testing.assert_close(again(image), network(image))


def test_range_is_read_from_the_mean_shift():
    state = official_names(EDSR(in_channels=3, out_channels=3, **TINY))
    state["add_mean.bias"] = state["add_mean.bias"] / 255
    assert OFFICIAL.options(state)["colour_range"] == 1.0
    assert OFFICIAL.changes(state)["value_range"] == (0.0, 1.0)


def test_tiles_of_an_imported_network_overlap_by_less_than_a_tile():
    for scale in (2, 3, 4, 8):
        network = EDSR(scale=scale, width=2, n_blocks=32)
        changes = BASICSR.changes(basicsr_names(network))
        assert changes["overlap"] < changes["tile"]
        assert changes["overlap"] % scale == changes["tile"] % scale == 0


def test_silent_network_gives_the_mean_colour_and_nothing_without_colours():
    for channels, expected in ((3, MeanShift.MEAN), (1, (0.0,))):
        network = EDSR(in_channels=channels, out_channels=channels, **TINY)
        torch.nn.init.zeros_(network.tail[1].weight)
        torch.nn.init.zeros_(network.tail[1].bias)
        made = network(torch.rand(1, channels, 3, 4))
        assert made.shape == (1, channels, 6, 8)
        assert made[0, :, 2, 3].tolist() == pytest.approx([255 * m for m in expected])


def test_res_scale_weighs_what_a_block_adds():
    network = EDSR(width=1, n_blocks=1, res_scale=0.1)
    block = network.body[0][0]
    torch.nn.init.zeros_(block.body[2].weight)
    torch.nn.init.constant_(block.body[2].bias, 7.0)
    assert block(torch.zeros(1, 1, 2, 2)).flatten().tolist() == pytest.approx([0.7] * 4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_of_the_card_overlap_by_all_that_a_pixel_sees(scale):
    network = EDSR(width=1, n_blocks=16, scale=scale).requires_grad_(False)
    for parameter in network.parameters():
        parameter.fill_(0.05)  # all positive: nothing is hidden by a ReLU
    side = 120
    image = torch.ones(1, 1, side, side, requires_grad=True)
    for shift in range(scale):
        at = side // 2 * scale + shift
        (seen,) = torch.autograd.grad(network(image)[0, 0, at, at], image)
        columns = seen[0, 0, side // 2].nonzero().flatten()
        reach = max(at - columns.min() * scale, columns.max() * scale + scale - 1 - at)
        assert 2 * reach <= get_card(f"edsr-x{scale}").overlap


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = EDSR(**TINY, scale=2)
    fine = (torch.rand(4, 1, 6, 6) > 0.5).float().repeat_interleave(4, 2)
    fine = fine.repeat_interleave(4, 3)
    coarse = F.avg_pool2d(F.pad(fine, (1, 0, 1, 0)), 2)[..., :12, :12]
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(network(coarse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]
