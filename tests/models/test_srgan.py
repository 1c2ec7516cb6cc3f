"""SRGAN: three published spellings, the critic, what outputs become; both learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.catalogue import get_card
from napari_medsynth.models.layout import all_layouts
from napari_medsynth.models.srgan import SRGANCritic, SRResNet
from napari_medsynth.models.srgan_layouts import LAYOUTS

LORNATANG, LEFTTHOMAS, SGRVINOD, CRITIC = LAYOUTS
TINY = {"width": 4, "n_blocks": 2}


@pytest.mark.parametrize(
    ("name", "layout", "n_blocks"),
    [
        ("srgan_generator_x4", LORNATANG, 16),
        ("srgan_leftthomas_x4", LEFTTHOMAS, 5),
        ("srgan_sgrvinod_x4", SGRVINOD, 16),
    ],
)
def test_equals_the_published_network(zoo_golden, name, layout, n_blocks):
    golden = zoo_golden(name)
    assert [one.name for one in all_layouts() if one.fits(golden.state)] == [
        layout.name
    ]
    options = layout.options(golden.state)
    assert (options["n_blocks"], options["scale"]) == (n_blocks, 4)
    network = SRResNet(**options).eval()
    network.load_state_dict(layout.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
        if "before_clamp" in golden.arrays:
            network.output = "linear"
            golden.check(network(golden.arrays["x"]), "before_clamp")
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    changes = layout.changes(golden.state)
    assert (changes["scale"], changes["value_range"]) == (4, (0.0, 1.0))


def test_critic_equals_the_published_network(zoo_golden):
    golden = zoo_golden("srgan_discriminator")
    assert [layout.name for layout in all_layouts() if layout.fits(golden.state)] == [
        CRITIC.name
    ]
    network = SRGANCritic(3).eval()
    network.load_state_dict(golden.state)
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
        golden.check(network.train()(golden.arrays["x"]), "y_batch_stats")
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]


def test_files_that_cannot_be_used_say_why():
    assert "pickled" in SGRVINOD.refused
    assert "generator" in CRITIC.refused
    assert not LORNATANG.refused
    assert not LEFTTHOMAS.refused


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("linear", [-2.0, 2.0]),
        ("clamp", [0.0, 1.0]),
        ("tanh", [-0.9640, 0.9640]),
        ("half-tanh", [0.0180, 0.9820]),
    ],
)
def test_outputs(output, expected):
    network = SRResNet(scale=2, out_channels=2, output=output, **TINY)
    nn.init.zeros_(network.tail[1].weight)
    with torch.no_grad():
        network.tail[1].bias.copy_(torch.tensor([-2.0, 2.0]))
    made = network(torch.rand(1, 1, 3, 4))
    assert made.shape == (1, 2, 6, 8)
    assert made[0, :, 1, 1].tolist() == pytest.approx(expected, abs=1e-4)


def test_refuses_another_output():
    with pytest.raises(ValueError, match="output must be one of"):
        SRResNet(output="relu")


def test_biases_before_norms_only_if_asked_for():
    plain, biased = (set(SRResNet(bias=b, **TINY).state_dict()) for b in (False, True))
    assert plain < biased
    assert biased - plain == {
        *(f"body.0.{i}.body.{j}.bias" for i in range(2) for j in (0, 3)),
        "body.1.bias",
    }


def test_one_slope_per_layer():
    slopes = [m for m in SRResNet(**TINY).modules() if isinstance(m, nn.PReLU)]
    assert [slope.weight.numel() for slope in slopes] == [1] * (1 + 2 + 2)


def test_critic_scores_patches_of_its_size_only():
    critic = SRGANCritic(width=2, size=32)
    assert critic(torch.zeros(3, 1, 32, 32)).shape == (3, 1)
    assert sum(m.stride == (2, 2) for m in critic.features if hasattr(m, "stride")) == 4
    with pytest.raises(ValueError, match="patches of 32 x 32 pixels"):
        critic(torch.zeros(3, 1, 48, 48))
    with pytest.raises(ValueError, match="multiple of 16"):
        SRGANCritic(size=40)


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_of_the_card_overlap_by_all_that_a_pixel_sees(scale):
    network = SRResNet(width=1, scale=scale).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.fill_(0.05)
    side = 120
    image = torch.ones(1, 1, side, side, requires_grad=True)
    for shift in range(scale):
        at = side // 2 * scale + shift
        (seen,) = torch.autograd.grad(network(image)[0, 0, at, at], image)
        columns = seen[0, 0, side // 2].nonzero().flatten()
        reach = max(at - columns.min() * scale, columns.max() * scale + scale - 1 - at)
        assert 2 * reach <= get_card(f"srresnet-x{scale}").overlap


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = SRResNet(scale=2, width=8, n_blocks=1)
    fine = (torch.rand(4, 1, 6, 6) > 0.5).float().repeat_interleave(4, 2)
    fine = fine.repeat_interleave(4, 3)
    coarse = F.avg_pool2d(fine, 2)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        losses.append(F.mse_loss(network(coarse), fine))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]


def test_critic_learns_to_tell_sharp_from_blurred():
    torch.manual_seed(0)
    critic = SRGANCritic(width=4, size=16)
    sharp = torch.rand(8, 1, 16, 16)
    blurred = F.interpolate(F.avg_pool2d(sharp, 2), scale_factor=2, mode="bilinear")
    images, labels = torch.cat([sharp, blurred]), torch.tensor([1.0] * 8 + [0.0] * 8)
    optimiser = torch.optim.Adam(critic.parameters(), 2e-3)
    losses = []
    for _ in range(40):
        scores = critic(images)[:, 0]
        losses.append(F.binary_cross_entropy_with_logits(scores, labels))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.3 * losses[0]
