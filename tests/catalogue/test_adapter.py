"""A network for other numbers, adapted to images in [-1, 1]."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from napari_medsynth.catalogue.adapter import adapt


class Recorder(nn.Module):
    """Give what it was shown, and keep it."""

    def __init__(self, factor: int = 1) -> None:
        super().__init__()
        self.factor, self.shown = factor, None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.shown = image
        return image.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


def test_adapt_shows_the_range_of_the_network_and_takes_it_back():
    network = adapt(Recorder(), low=0, high=255)
    image = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    made = network(image)
    assert network.shown.flatten().tolist() == [0, 127.5, 255]
    torch.testing.assert_close(made, image)


def test_adapt_shows_three_equal_channels_and_averages_three():
    network = adapt(Recorder(), is_rgb=True)
    image = torch.rand(1, 2, 4, 4)
    made = network(image)
    assert network.shown.shape[1] == 6
    assert (network.shown[:, 0] == network.shown[:, 2]).all()
    torch.testing.assert_close(made, image)


def test_adapt_shows_every_second_pixel_to_a_network_that_enlarges():
    coarse = torch.rand(1, 1, 3, 2)
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    network = adapt(Recorder(2), scale=2, low=0, high=1)
    made = deepcopy(network)(fine)
    torch.testing.assert_close(made, fine)
    network(fine)
    torch.testing.assert_close(network.shown, (coarse + 1) / 2)


def test_adapt_converts_each_of_several_outputs():
    class Two(nn.Module):
        def forward(self, image):
            return image, 2 * image

    first, second = adapt(Two(), low=0, high=2)(torch.zeros(1, 1, 1, 1))
    assert (first.item(), second.item()) == (0, 1)
