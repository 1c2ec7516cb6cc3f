"""What a random variation changes, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.augment import varied
from napari_medsynth.training.data.batches import Batches, Mixture
from napari_medsynth.training.data.samples import Sample

CARD = ModelCard(
    id="x",
    family="resvit",
    task="synthesis",
    title="X",
    factory="a:b",
    inputs=("T1", "T2"),
    outputs=("T1", "T2"),
    is_unified=True,
    size_multiple=8,
)


@pytest.fixture
def whole() -> np.ndarray:
    """Two contrasts of a bright box in air, (2, H, W) in [-1, 1]."""
    images = np.full((2, 40, 48), -1, np.float32)
    images[:, 10:30, 8:32] = [[[0.2]], [[0.6]]]
    return images


def draws(whole, n=20, **sizes):
    return [varied(whole, np.random.default_rng(i), **sizes) for i in range(n)]


def middles(images: np.ndarray) -> np.ndarray:
    """Centre of mass of each contrast, (C, 2)."""
    weights = images + 1
    grid = np.stack(np.indices(images.shape[1:]))
    return np.array([(grid * w).sum((1, 2)) / w.sum() for w in weights])


def test_without_sizes_nothing_changes(whole):
    images, truth = varied(whole, np.random.default_rng(0), affine=0, intensity=0)

    np.testing.assert_allclose(images, whole, atol=1e-6)
    np.testing.assert_allclose(truth, whole, atol=1e-6)


def test_all_contrasts_move_together_and_so_does_the_truth(whole):
    moves = []
    for images, truth in draws(whole, affine=1, intensity=0):
        np.testing.assert_array_equal(images, truth)
        first, second = middles(images)
        np.testing.assert_allclose(first, second, atol=0.05)
        moves.append(first - middles(whole)[0])

    assert 1.5 < np.std(moves) < 8


def test_shading_and_noise_are_seen_but_not_asked_for(whole):
    for images, truth in draws(whole, affine=0, intensity=1):
        np.testing.assert_allclose(truth, whole, atol=1e-6)
        assert 0.002 < np.abs(images - whole)[whole > -1].mean() < 0.3

    contrasts = np.array(
        [images[:, 20, 20] for images, _ in draws(whole, 20, affine=0, intensity=1)]
    )
    assert abs(np.corrcoef(contrasts.T)[0, 1]) < 0.8


def test_results_stay_in_range_and_air_stays_black(whole):
    for images, truth in draws(whole, affine=3, intensity=3):
        for array in (images, truth):
            assert array.dtype == np.float32
            assert array.min() == -1
            assert array.max() <= 1
        assert np.isfinite(images).all()


class Half:
    """A subject whose left half is bright."""

    name = "half"

    def indices(self, plane):
        return np.arange(6)

    def draw(self, plane, index, rng):
        image = np.full((2, 16, 16), -1, np.float32)
        image[..., :8] = 0.5
        return Sample(image, image, np.ones(2, bool))


@pytest.mark.parametrize(
    ("card_flips", "config_flips", "plane", "n_sides"),
    [
        (True, True, "axial", 2),
        (True, True, "coronal", 2),
        (True, True, "sagittal", 1),
        (False, True, "axial", 1),
        (True, False, "axial", 1),
    ],
)
def test_mirrored_only_where_the_card_allows(card_flips, config_flips, plane, n_sides):
    config = TrainConfig(flip=config_flips, affine=0)
    card = replace(CARD, flips=card_flips)
    batches = Batches(config, card, Mixture([Half()], (plane,)), batch_size=6)

    truth = np.concatenate([batches[i].truth.numpy() for i in range(4)])

    sides = {tuple(np.sign(t[0, 8, [2, -3]])) for t in truth}
    assert (1.0, -1.0) in sides
    assert len(sides) == n_sides
