"""MMGAN: the published numbers, hand-worked ones, its files, and that it learns."""

from __future__ import annotations

from math import tanh

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.models.mmgan import LAYOUTS, MMGAN


def published(network):
    """Spell the keys of a network as the published code does."""
    return {
        key.replace("down.", "down").replace("up.", "up").replace(".0.", ".model.0."): t
        for key, t in network.state_dict().items()
    }


def test_equals_the_published_network(zoo_golden):
    golden = zoo_golden("mmgan_unet")
    layout = next(one for one in LAYOUTS if one.name == "MM-GAN --use_tanh")
    assert layout.fits(golden.state)
    network = MMGAN(**layout.options(golden.state)).eval()
    network.load_state_dict(layout.renamed(golden.state))
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    with torch.no_grad():
        made = network(golden.arrays["x"])
    golden.check(made[..., ::8, ::8], "y_stride8")
    golden.check(made.mean((2, 3)), "y_mean")
    golden.check(made.std((2, 3)), "y_std")


def test_files_say_sizes_but_not_the_activation():
    network = MMGAN(3, 3, width=2, depth=4)
    state = {**published(network), "down2.model.1.running_mean": torch.zeros(4)}
    first, second = (one for one in LAYOUTS if one.fits(state))
    sizes = {"in_channels": 3, "out_channels": 3, "width": 2, "depth": 4}
    assert first.options(state) == {**sizes, "activation": "relu"}
    assert second.options(state) == {**sizes, "activation": "tanh"}
    assert first.changes(state)["value_range"][0] == 0
    assert second.changes(state) == {}
    other = MMGAN(**second.options(state))
    other.load_state_dict(second.renamed(state))
    image = torch.rand(1, 3, 16, 32)
    assert torch.equal(other.eval()(image), network.eval()(image))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_hand_worked_numbers(activation):
    network = MMGAN(1, 1, width=1, depth=2, activation=activation).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.down["1"][0].weight[0, 0, 1, 1] = 1.0  # pixels (2 i, 2 j)
        # Up first, then the skip; repeated, then one pixel more above and on the left:
        # row 2, column 1 of the window is the pixel itself and its left neighbour.
        network.final[2].weight[0, 1, 2, 1] = 0.5
        network.final[2].bias.fill_(0.25)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0, 0], image[0, 0, 0, 2], image[0, 0, 2, 0] = 1.0, 3.0, -5.0

    made = network(image)[0, 0]

    # leaky: 1, 3 / -1, 0; each repeated twice, shifted right by one.
    linear = 0.25 + 0.5 * torch.tensor(
        [[0.0, 1, 1, 3], [0, 1, 1, 3], [0, -1, -1, 0], [0, -1, -1, 0]]
    )
    expected = linear.clamp(min=0) if activation == "relu" else linear.tanh()
    assert_close(made, expected)
    assert made[0, 3].item() == pytest.approx(
        1.75 if activation == "relu" else tanh(1.75)
    )


def test_norm_and_dropout_stand_where_they_are_published():
    network = MMGAN(width=1)
    kinds = {
        (side, int(level)): [type(m).__name__ for m in layers]
        for side in ("down", "up")
        for level, layers in getattr(network, side).items()
    }
    for level in range(1, 9):
        down = kinds["down", level]
        assert ("InstanceNorm2d" in down) == (1 < level < 8)
        assert ("Dropout" in down) == (level >= 4)
    for level in range(1, 8):
        assert "InstanceNorm2d" in kinds["up", level]
        assert ("Dropout" in kinds["up", level]) == (level <= 4)
    biased = [
        name
        for name, m in network.named_modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and m.bias is not None
    ]
    assert biased == ["final.2"]


def test_refuses_what_is_no_network():
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        MMGAN(depth=1)
    with pytest.raises(ValueError, match="activation must be 'tanh' or 'relu'"):
        MMGAN(activation="sigmoid")


def test_learns_a_missing_contrast_from_the_other(pairs):
    both = torch.cat(pairs(8, 16), dim=1)
    given = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(4, 1).view(8, 2, 1, 1)
    torch.manual_seed(0)
    network = MMGAN(2, 2, width=8, depth=3, dropout=0.0)

    def error():
        made = network(torch.where(given > 0, both, -torch.ones_like(both)))
        return F.l1_loss(
            made[given.expand_as(made) == 0], both[given.expand_as(both) == 0]
        )

    before = error().item()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        loss = error()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.5 * before
