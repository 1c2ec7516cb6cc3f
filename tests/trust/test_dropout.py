"""Dropout that stays on."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from napari_medsynth.trust.dropout import SeededDropout, drops, with_dropout


def test_seeded_dropout_drops_its_share_and_keeps_the_mean():
    kept = SeededDropout(0.25, is_channel_wise=False, seed=1)(torch.ones(100, 1000))

    assert (kept == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert_close(kept[kept > 0].unique(), torch.tensor([1 / 0.75]))


def test_channel_wise_dropout_drops_whole_channels():
    kept = SeededDropout(0.5, is_channel_wise=True, seed=1)(torch.ones(4, 50, 3, 3))

    per_channel = kept.flatten(2)
    assert torch.all(per_channel == per_channel[..., :1])
    assert 0.3 < (per_channel[..., 0] == 0).float().mean().item() < 0.7


def test_every_dropout_is_replaced_and_nothing_else():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sequential(nn.Dropout2d(0.1)), nn.Dropout(0.0)
    )

    changed = with_dropout(network, seed=5)

    assert isinstance(changed[0], nn.Conv2d)
    assert isinstance(changed[1][0], SeededDropout) and changed[1][0].is_channel_wise
    assert isinstance(changed[2], nn.Dropout)


@pytest.mark.parametrize(("p", "expected"), [(0.0, False), (0.1, True)])
def test_only_dropout_above_zero_counts(p, expected):
    assert drops(nn.Sequential(nn.ReLU(), nn.Dropout(p))) is expected
