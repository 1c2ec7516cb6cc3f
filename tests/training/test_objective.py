"""Losses by hand."""

import pytest
import torch

from napari_medsynth.training.data import Batch
from napari_medsynth.training.objective import gradient_difference, losses, masked_l1


def test_only_the_chosen_channels_count():
    output = torch.zeros(2, 3, 4, 4)
    truth = torch.ones(2, 3, 4, 4) * torch.tensor([1.0, 2.0, 9.0]).view(1, 3, 1, 1)
    channels = torch.tensor([[True, True, False], [False, True, False]])

    assert masked_l1(output, truth, channels).item() == pytest.approx((1 + 2 + 2) / 3)
    assert masked_l1(output, truth, channels & False).item() == 0


def test_gradient_difference_ignores_a_constant_offset():
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 5, 5)
    channels = torch.tensor([[True]])

    assert gradient_difference(ramp + 3, ramp, channels).item() == 0
    assert gradient_difference(3 * ramp, ramp, channels).item() == pytest.approx(2)


def test_the_total_is_the_weighted_sum():
    truth = torch.zeros(1, 2, 4, 4)
    output = torch.stack([torch.full((4, 4), 0.5), torch.full((4, 4), 0.25)])[None]
    given = torch.tensor([[True, False]])
    batch = Batch(truth, truth, given, ~given)

    parts = losses(output, batch, reconstruction=0.1, gradient=0.2)

    assert parts["given"].item() == pytest.approx(0.5)
    assert parts["wanted"].item() == pytest.approx(0.25)
    assert parts["total"].item() == pytest.approx(0.25 + 0.05)
