"""DBPN: the published numbers, its files, back-projection by hand; it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from napari_medsynth.models.dbpn import DBPN, LAYOUTS, BackProjection, projection

RESIDUAL, PLAIN = LAYOUTS
TINY = {"width": 4, "first_width": 8, "n_stages": 3}


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.factor * image


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_equals_the_published_network(zoo_golden, scale):
    golden = zoo_golden(f"dbpn_x{scale}")
    assert [one for one in LAYOUTS if one.fits(golden.state)] == [RESIDUAL, PLAIN]
    options = PLAIN.options(golden.state)
    assert (options["scale"], options["n_stages"]) == (scale, 7)
    with torch.device("meta"):
        network = DBPN(**options).eval()
    network.load_state_dict(PLAIN.renamed(golden.state), assign=True)
    with torch.no_grad():
        plain = network(golden.arrays["x"])
    golden.check(plain)
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    changes = PLAIN.changes(golden.state)
    assert (changes["scale"], changes["value_range"]) == (scale, (0.0, 1.0))
    assert changes["is_rgb"]


def test_only_the_residual_differs_between_the_two_layouts():
    state = {
        "feat0.conv.weight": torch.zeros(8, 1, 3, 3),
        "feat1.conv.weight": torch.zeros(4, 8, 1, 1),
        "up1.up_conv1.deconv.weight": torch.zeros(4, 4, 8, 8),
        "up1.up_conv1.act.weight": torch.zeros(1),
        "up2.up_conv1.act.weight": torch.zeros(1),
        "output_conv.conv.weight": torch.zeros(1, 8, 3, 3),
    }
    assert PLAIN.options(state) == {
        **{"in_channels": 1, "out_channels": 1, "scale": 4, "width": 4},
        **{"first_width": 8, "n_stages": 2, "residual": False},
    }
    assert RESIDUAL.options(state) == {**PLAIN.options(state), "residual": True}


def test_a_back_projection_corrects_by_what_was_lost():
    unit = BackProjection(1, 2, is_up=True)
    unit.there, unit.back, unit.error = Times(3.0), Times(0.5), Times(10.0)
    image = torch.ones(1, 1, 2, 2)
    # there 3; back 1.5; lost 1.5 - 1; corrected 3 + 10 * 0.5
    assert unit(image).flatten().tolist() == [8.0] * 4


def test_later_units_squeeze_the_newest_map_first():
    network = DBPN(width=1, first_width=1, n_stages=3).requires_grad_(False)
    seen = []
    network.tail.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    made = {}
    for name, step in network.steps.items():
        step.register_forward_hook(
            lambda _, args, out, name=name: made.update({name: out})
        )
    network(torch.rand(1, 1, 4, 4))
    ups = [made[f"up{k}"] for k in (3, 2, 1)]
    torch.testing.assert_close(seen[0], torch.cat(ups, dim=1), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_projections_lead_to_the_other_grid_and_back(scale):
    image = torch.zeros(1, 2, 3, 5)
    fine = projection(2, scale, is_up=True)(image)
    assert fine.shape == (1, 2, 3 * scale, 5 * scale)
    assert projection(2, scale, is_up=False)(fine).shape == image.shape


def test_residual_adds_the_enlargement_of_pillow():
    network = DBPN(residual=True, **TINY)
    for parameter in network.tail.parameters():
        nn.init.zeros_(parameter)
    image = torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    pillow = Image.fromarray(image[0, 0].numpy()).resize((14, 12), Image.BICUBIC)
    expected = torch.from_numpy(np.array(pillow))[None, None]
    torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-5)


def test_convolutions_start_as_published():
    torch.manual_seed(0)
    network = DBPN(width=16, first_width=64, n_stages=2)
    first = network.steps["up1"].there[0]
    expected = (2 / (16 * 6 * 6)) ** 0.5
    assert abs(first.weight.std().item() / expected - 1) < 0.05
    assert not first.bias.any()


@pytest.mark.parametrize(("option", "value"), [("scale", 5), ("n_stages", 1)])
def test_refuses_other_sizes(option, value):
    with pytest.raises(ValueError, match=f"got {value}|n_stages"):
        DBPN(**{**TINY, option: value})


def test_learns_to_enlarge():
    torch.manual_seed(0)
    network = DBPN(**TINY)
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
