"""The pieces that networks are put together from, on numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_medsynth.models.blocks import (
    ChannelGate,
    Fusion,
    LongSkip,
    MeanShift,
    Parallel,
    Skip,
    conv,
    layers,
    shuffle_up,
)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.factor * image


ONES = torch.ones(1, 2, 3, 4)


def test_layers_flattens_and_leaves_out_none():
    first, second, third = Times(1), Times(2), Times(3)
    assert layers(first, None, [second, [None, third]]) == [first, second, third]


@pytest.mark.parametrize(
    ("how", "scale", "expected"),
    [
        ("add", 1.0, [6.0]),
        ("add", 0.1, [1.5]),
        ("cat", 1, [1, 5]),
        ("cat_last", 1, [5, 1]),
    ],
)
def test_skip_joins_input_and_output(how, scale, expected):
    made = Skip(Times(5), how=how, scale=scale)(ONES)
    shown = [made[0, i * 2, 0, 0].item() for i in range(made.shape[1] // 2)]
    assert shown == pytest.approx(expected)


def test_skip_refuses_another_way():
    with pytest.raises(ValueError, match="how must be"):
        Skip(how="multiply")


def test_fusion_has_every_stage_the_first_one_first():
    made = Fusion([Times(2), Times(3)], nn.Identity())(ONES)
    assert made[0, :, 0, 0].tolist() == [2, 2, 6, 6]


def test_parallel_gives_all_branches_the_same_input():
    made = Parallel([Times(2), Times(3)], nn.Identity())(ONES)
    assert made[0, :, 0, 0].tolist() == [2, 2, 3, 3]


def test_long_skip_goes_around_the_body():
    made = LongSkip(Times(2), Times(10), Times(3))(ONES)
    assert made[0, 0, 0, 0] == 3 * (2 + 20)


def test_channel_gate_weighs_by_the_mean_of_the_channel():
    gate = ChannelGate(2, reduction=2)
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.zero_()
        gate.gate[1].weight[0, 1] = 1.0  # hidden = mean of channel 1
        gate.gate[3].weight[0, 0] = 1.0  # weight of channel 0 = sigmoid(hidden)
    image = torch.stack([torch.ones(2, 2), torch.tensor([[1.0, 3.0], [1.0, 3.0]])])[
        None
    ]
    made = gate(image)
    torch.testing.assert_close(
        made[0, 0], torch.full((2, 2), torch.tensor(2.0).sigmoid())
    )
    torch.testing.assert_close(made[0, 1], 0.5 * image[0, 1])


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_shuffle_up_enlarges(scale):
    made = nn.Sequential(*shuffle_up(4, scale, nn.ReLU))(torch.zeros(1, 4, 3, 5))
    assert made.shape == (1, 4, 3 * scale, 5 * scale)


def test_shuffle_up_refuses_other_scales():
    with pytest.raises(ValueError, match="got 5"):
        shuffle_up(4, 5)


def test_mean_shift_there_and_back_changes_nothing():
    image = 255 * torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    low = MeanShift(-1)(image)
    torch.testing.assert_close(low[0, 0], image[0, 0] - 255 * 0.4488)
    torch.testing.assert_close(MeanShift(1)(low), image)
    assert not any(p.requires_grad for p in MeanShift(1).parameters())


def test_conv_keeps_the_size():
    for kernel in (1, 3, 5, 9):
        assert conv(2, 3, kernel)(ONES).shape == (1, 3, 3, 4)
