"""SRFBN: the published numbers of every step, its files, its feedback; it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.srfbn import LAYOUTS, SRFBN

(OFFICIAL,) = LAYOUTS
TINY = {"scale": 2, "width": 4, "n_groups": 2, "n_steps": 3}


@pytest.mark.parametrize(
    ("name", "plan"),
    [("srfbn_x4", (4, 64, 6)), ("srfbn_s_x2", (2, 32, 3)), ("srfbn_s_x3", (3, 32, 3))],
)
def test_every_step_equals_the_published_network(zoo_golden, name, plan):
    golden = zoo_golden(name)
    assert OFFICIAL.fits(golden.state)
    options = OFFICIAL.options(golden.state)
    assert (options["scale"], options["width"], options["n_groups"]) == plan
    network = SRFBN(**options)
    network.load_state_dict(OFFICIAL.renamed(golden.state))
    with torch.no_grad():
        steps = network.train()(golden.arrays["x"])
        last = network.eval()(golden.arrays["x"])
    assert len(steps) == 4
    for number, made in enumerate(steps):
        golden.check(made, f"y{number}")
    golden.check(last, "y3")
    n_parameters = sum(p.numel() for p in network.parameters())
    assert n_parameters == golden.meta["trainable_parameters"]
    changes = OFFICIAL.changes(golden.state)
    assert changes["scale"] == plan[0]
    assert changes["value_range"] == pytest.approx((0.0, 255.0))


def test_training_gives_every_step_and_evaluation_the_last():
    network = SRFBN(**TINY)
    image = 255 * torch.rand(1, 1, 4, 5)
    steps = network.train()(image)
    assert [tuple(step.shape) for step in steps] == [(1, 1, 8, 10)] * 3
    torch.testing.assert_close(network.eval()(image), steps[-1])
    assert not torch.equal(steps[0], steps[1])


def test_the_first_step_is_fed_its_own_input_and_the_next_what_came_out():
    network = SRFBN(**TINY).eval()
    given, made = [], []
    network.block.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    network.block.register_forward_hook(lambda _, args, out: made.append(out))
    network(torch.rand(1, 1, 4, 4))
    start, last = given[0].chunk(2, dim=1)
    torch.testing.assert_close(start, last, rtol=0, atol=0)
    for step in (1, 2):
        again, last = given[step].chunk(2, dim=1)
        torch.testing.assert_close(again, start, rtol=0, atol=0)
        torch.testing.assert_close(last, made[step - 1], rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_silent_tail_leaves_the_enlarged_image(channels):
    network = SRFBN(in_channels=channels, out_channels=channels, **TINY).eval()
    for parameter in network.tail.parameters():
        nn.init.zeros_(parameter)
    image = 255 * torch.rand(1, channels, 4, 5)
    expected = F.interpolate(image, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-3)


def test_starts_as_published():
    torch.manual_seed(0)
    network = SRFBN(scale=2, width=16, n_groups=1)
    slopes = [m.weight.item() for m in network.modules() if isinstance(m, nn.PReLU)]
    assert slopes == pytest.approx([0.2] * len(slopes))
    weight = network.block.ups[0][0].weight
    assert abs(weight.std().item() / (2 / (16 * 36)) ** 0.5 - 1) < 0.05
    assert not network.block.ups[0][0].bias.any()


def test_learns_to_enlarge_by_the_sum_over_its_steps():
    torch.manual_seed(0)
    network = SRFBN(**TINY)
    blocks = (torch.rand(4, 1, 6, 6) > 0.5).float() - 0.5
    fine = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    coarse = F.avg_pool2d(fine, 2) + 0.2
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        losses.append(sum(F.l1_loss(step, fine) for step in network(coarse)))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
