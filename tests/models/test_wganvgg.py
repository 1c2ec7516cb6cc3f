"""WGAN-VGG: the published numbers of both networks, its files; they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.wganvgg import LAYOUTS, WGANVGG, WGANVGGCritic

GENERATOR, WHOLE = LAYOUTS


def test_generator_equals_the_published_network(zoo_golden):
    golden = zoo_golden("wganvgg_generator")
    assert [one for one in LAYOUTS if one.fits(golden.state)] == [GENERATOR]
    network = WGANVGG(**GENERATOR.options(golden.state)).eval()
    network.load_state_dict(GENERATOR.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
        golden.check(network.net[:-1](golden.arrays["x"]), "before_relu")
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]


def test_critic_equals_the_published_network(zoo_golden):
    golden = zoo_golden("wganvgg_discriminator")
    assert not any(one.fits(golden.state) for one in LAYOUTS)
    critic = WGANVGGCritic(size=64).eval()
    critic.load_state_dict(golden.state)
    with torch.no_grad():
        golden.check(critic(golden.arrays["x"]))
    assert sum(p.numel() for p in critic.parameters()) == golden.meta["parameters"]


def test_critic_of_80_pixels_has_the_published_size():
    with torch.device("meta"):
        critic = WGANVGGCritic(size=80)
    assert round(sum(p.numel() for p in critic.parameters()) / 1e6, 2) == 13.99


@pytest.mark.parametrize("order", [list, sorted])
def test_generator_is_taken_out_of_a_whole_training_state(order):
    torch.manual_seed(0)
    network = WGANVGG(width=4)
    state = {f"generator.{key}": v for key, v in network.state_dict().items()}
    critic = WGANVGGCritic(size=29)
    state |= {f"discriminator.{key}": v for key, v in critic.state_dict().items()}
    state["feature_extractor.feature_extractor.0.weight"] = torch.zeros(64, 3, 3, 3)
    state = {key: state[key] for key in order(state)}
    assert [one for one in LAYOUTS if one.fits(state)] == [WHOLE]
    assert WHOLE.options(state) == {
        **{"in_channels": 1, "out_channels": 1},
        **{"width": 4, "n_layers": 8},
    }
    again = WGANVGG(**WHOLE.options(state))
    again.load_state_dict(WHOLE.renamed(state))
    image = torch.rand(1, 1, 5, 6)
    torch.testing.assert_close(again(image), network(image))


def test_each_layer_cuts_what_is_negative():
    network = WGANVGG(width=1, n_layers=2).requires_grad_(False)
    for layer, factor in ((network.net[0], -2.0), (network.net[2], 3.0)):
        layer.weight.zero_()
        layer.weight[0, 0, 1, 1] = factor
        layer.bias.fill_(1.0)
    image = torch.tensor([[[[-1.0, 0.0], [0.25, 2.0]]]])
    # relu(1 - 2 x) = 3, 1, 0.5, 0; then 3 times that and 1
    assert network(image).flatten().tolist() == [10.0, 4.0, 2.5, 1.0]


def test_critic_leaks_a_hundredth():
    slopes = {
        m.negative_slope
        for m in WGANVGGCritic(size=29).modules()
        if isinstance(m, nn.LeakyReLU)
    }
    assert slopes == {0.01}


def test_smallest_patch_of_the_critic():
    assert WGANVGGCritic(2, size=29)(torch.zeros(3, 2, 29, 29)).shape == (3, 1)
    with pytest.raises(ValueError, match="got 28"):
        WGANVGGCritic(size=28)


def test_learns_to_denoise_and_the_critic_to_judge():
    torch.manual_seed(0)
    network, critic = WGANVGG(width=8, n_layers=4), WGANVGGCritic(size=29)
    clean = (torch.rand(4, 1, 4, 4) > 0.5).float().repeat_interleave(8, 2)
    clean = clean.repeat_interleave(8, 3)[..., :29, :29]
    noisy = clean + 0.4 * torch.randn(clean.shape)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(F.mse_loss(network(noisy), clean))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]
    judge = torch.optim.Adam(critic.parameters(), 1e-4)
    gaps = []
    for _ in range(5):
        gaps.append(critic(noisy).mean() - critic(clean).mean())
        judge.zero_grad()
        gaps[-1].backward()
        judge.step()
    assert gaps[-1] < gaps[0]
