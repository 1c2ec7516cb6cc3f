"""Losses of the channels that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from skimage.metrics import structural_similarity
from torch.testing import assert_close

from napari_medsynth.training import TrainConfig
from napari_medsynth.training.objectives.losses import (
    count,
    dissimilarity,
    gradient_difference,
    squared_error,
    supervised_losses,
)
from training.tiny import (
    GAN,
    images,
    uneven_batch,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_ssim_is_that_of_scikit_image():
    output, truth = images(2, 2, seed=1), images(2, 2, seed=2)
    output = 0.6 * truth + 0.4 * output

    ours = 1 - dissimilarity(output, truth)

    for n, c in np.ndindex(2, 2):
        expected = structural_similarity(
            *(0.5 * (image[n, c].double().numpy() + 1) for image in (output, truth)),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ours[n, c].item() == pytest.approx(expected, abs=1e-5)
    assert_close(dissimilarity(truth, truth), torch.zeros(2, 2), atol=1e-5, rtol=0)


def test_errors_are_means_over_the_pixels_of_a_channel():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)  # along each row, 1 per pixel

    assert squared_error(ramp, torch.zeros_like(ramp)).item() == pytest.approx(77.5)
    assert gradient_difference(ramp, torch.zeros_like(ramp)).item() == pytest.approx(1)


def test_only_losses_with_a_weight_are_computed(fabric):
    batch = uneven_batch()
    config = TrainConfig(gradient_weight=0, reconstruction_weight=0, l1_weight=2)

    losses = supervised_losses(batch.truth + 0.25, batch, config, count(batch, fabric))

    assert set(losses) == {"total", "l1"}
    assert losses["total"].item() == pytest.approx(0.5)


def test_only_wanted_and_given_channels_count(fabric):
    batch = uneven_batch()
    off = torch.zeros(3, 2)
    off[0, 1] = off[1, 0] = 0.4  # two of the four that are wanted
    off[0, 0] = 0.3  # the only one that is given
    off[2, 1] = 99.0  # neither
    output = batch.truth + off[..., None, None]

    losses = supervised_losses(output, batch, GAN, count(batch, fabric))

    assert losses["l1"].item() == pytest.approx(0.2)
    assert losses["reconstruction"].item() == pytest.approx(0.3)
    assert losses["total"].item() == pytest.approx(10 * 0.2 + 3 * 0.3)


def test_nothing_given_is_no_reconstruction_error(fabric):
    batch = replace(uneven_batch(), given=torch.zeros(3, 2, dtype=torch.bool))

    losses = supervised_losses(batch.truth + 1, batch, GAN, count(batch, fabric))

    assert losses["reconstruction"].item() == 0
