"""Thick slices made thin: interpolation, and what is learnt besides."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.catalogue import get_card
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.models.through_plane import ThroughPlaneEDSR
from napari_medsynth.simulate import degrade, presented

SPEC = {"kind": "thick-slices", "factor": [4, 1]}


def test_an_untrained_network_is_the_interpolation():
    image = torch.randn(2, 1, 9, 7)

    assert_close(ThroughPlaneEDSR(width=4, n_blocks=2)(image), image)


def test_the_sum_by_hand():
    """With centre taps only, each pixel is a sum of its own value."""
    model = ThroughPlaneEDSR(width=1, n_blocks=1)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    head, block = model.body[0].head[0], model.body[0].body[0].body
    after, last = model.body[0].body[1], model.body[0].tail[0]
    for layer, tap in ((head, 2), (block[0], -1), (block[2], 3), (after, 5), (last, 7)):
        layer.weight.data[0, 0, 1, 1] = tap
    image = torch.tensor([[[[1.0, -1.0]]]])

    # 1: head 2, block 2 + 3 relu(-2) = 2, long skip 2 + 5 * 2 = 12, 1 + 7 * 12
    # -1: head -2, block -2 + 3 relu(2) = 4, long skip -2 + 5 * 4 = 18, -1 + 7 * 18
    assert_close(model(image), torch.tensor([[[[85.0, 125.0]]]]))


def test_its_card_builds_it():
    card = get_card("edsr-through-plane")
    model = build_model(card)

    assert sum(p.numel() for p in model.parameters()) == card.parameters
    assert model(torch.zeros(1, 1, 16, 12)).shape == (1, 1, 16, 12)


def test_what_is_added_needs_the_channels_of_the_image():
    with pytest.raises(ValueError, match="1 and 2"):
        ThroughPlaneEDSR(in_channels=1, out_channels=2)


def test_it_learns_to_sharpen_slices(rng):
    """Rings, thick slices of them, and a network that beats interpolation."""
    torch.manual_seed(0)
    rows, columns = np.ogrid[:32, :32]
    fine = np.stack(
        [
            np.cos(np.hypot(rows - r, columns - c) / w).astype(np.float32)
            for r, c, w in rng.uniform((4, 4, 2), (28, 28, 4), (24, 3))
        ]
    )
    worse = [presented(degrade(x, SPEC, rng), SPEC, scale=1) for x in fine]
    given, truth = (torch.from_numpy(np.stack(x))[:, None] for x in (worse, fine))
    model = ThroughPlaneEDSR(width=8, n_blocks=2)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)

    for _ in range(60):
        optimiser.zero_grad()
        (model(given[:16]) - truth[:16]).abs().mean().backward()
        optimiser.step()
    with torch.no_grad():
        error = (model(given[16:]) - truth[16:]).abs().mean()

    assert error < 0.75 * (given[16:] - truth[16:]).abs().mean()
