"""SRCNN: the published numbers, hand-worked ones, its files, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_medsynth.models.srcnn import LAYOUTS, SRCNN


def test_equals_the_published_network(zoo_golden):
    golden = zoo_golden("srcnn")
    (layout,) = LAYOUTS
    assert layout.fits(golden.state)
    network = SRCNN(**layout.options(golden.state)).eval()
    network.load_state_dict(layout.renamed(golden.state))
    with torch.no_grad():
        golden.check(network(golden.arrays["x"]))
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    assert layout.changes(golden.state) == {"value_range": (0.0, 1.0), "is_rgb": False}


def test_layers_run_in_order_with_relu_between_them():
    network = SRCNN(widths=(1, 1), kernels=(1, 1, 1))
    with torch.no_grad():
        for position, (weight, bias) in {0: (2, -1), 2: (-3, 4), 4: (5, 6)}.items():
            network.body[position].weight.fill_(weight)
            network.body[position].bias.fill_(bias)
    image = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 1, 3)
    # relu(2x - 1) = 0, 1, 3; relu(4 - 3.) = 4, 1, 0; 6 + 5. = 26, 11, 6
    assert network(image).flatten().tolist() == [26, 11, 6]


def test_size_and_channels():
    assert SRCNN(in_channels=2, out_channels=3)(torch.zeros(2, 2, 9, 7)).shape == (
        *(2, 3, 9, 7),
    )


@pytest.mark.parametrize("wrong", [{"widths": (1,)}, {"kernels": (9, 4, 5)}])
def test_refuses_other_plans(wrong):
    with pytest.raises(ValueError, match="two widths and three odd kernels"):
        SRCNN(**wrong)


def test_files_of_other_networks_with_three_convolutions_do_not_fit():
    (layout,) = LAYOUTS
    state = {f"conv{i}.weight": torch.zeros(1) for i in range(1, 6)}
    assert not layout.fits(state)


def test_learns_to_sharpen():
    torch.manual_seed(0)
    network = SRCNN(widths=(16, 8), kernels=(5, 3, 3))
    sharp = (torch.rand(4, 1, 6, 6) > 0.5).float().repeat_interleave(4, 2)
    sharp = sharp.repeat_interleave(4, 3)
    blurred = F.interpolate(F.avg_pool2d(sharp, 4), scale_factor=4, mode="bicubic")
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(150):
        loss = F.mse_loss(network(blurred), sharp)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.7 * F.mse_loss(blurred, sharp)
