"""Batches by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_medsynth.errors import VolumeError
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.data.batches import Batches, Mixture, fit_to
from napari_medsynth.training.data.gather import gather, mixture_of
from napari_medsynth.training.data.samples import Sample


class Numbered:
    """A subject whose n-th slice says n; a mirrored one says it on the other side."""

    def __init__(self, name="ann", n=10, present=(True, True, True), shape=(16, 16)):
        self.name, self._n, self._shape = name, n, shape
        self._present = np.array(present)

    def indices(self, plane):
        return np.arange(self._n)

    def draw(self, plane, index, rng):
        images = np.full((3, *self._shape), -0.5, np.float32)
        images[..., 0] = index / 100
        images[~self._present] = -1
        return Sample(images, images, self._present)


@pytest.fixture
def plain(config):
    return replace(config, affine=0, intensity=0, flip=False)


@pytest.fixture
def card(job):
    return fresh_card(job, job.network)


def shown(batch):
    """Which slices a batch shows."""
    values = batch.truth[:, :, :, 0].amax(dim=(1, 2))
    return [round(100 * float(value)) for value in values]


def test_a_round_shows_every_slice_once_in_another_order(plain, card):
    batches = Batches(plain, card, Mixture([Numbered()], ("axial",)), batch_size=4)

    rounds = [
        [i for n in range(3) for i in shown(batches[3 * r + n])] for r in range(2)
    ]

    assert batches.n_slices == 10
    assert batches.n_per_round == 3
    assert [sorted(one) for one in rounds] == [list(range(10))] * 2
    assert rounds[0] != rounds[1]


def test_planes_are_not_mixed_in_a_batch(plain, card):
    class Sided(Numbered):
        def draw(self, plane, index, rng):
            images = np.full((3, 16, 32 if plane == "axial" else 48), 0, np.float32)
            return Sample(images, images, self._present)

    mixture = Mixture([Sided(n=5)], ("axial", "coronal"))
    batches = Batches(plain, card, mixture, batch_size=2)

    widths = [batches[n].truth.shape[3] for n in range(6)]
    assert sorted(widths) == [32, 32, 32, 48, 48, 48]


def test_a_batch_depends_on_its_number_only(simulated_job, card):
    mixture = mixture_of(simulated_job, card, ())
    one, other = (
        Batches(simulated_job.learn, card, mixture, batch_size=2) for _ in range(2)
    )
    one[0], one[1]

    assert torch.equal(one[5].sources, other[5].sources)
    assert torch.equal(one[5].wanted, other[5].wanted)
    assert one[5].truth.shape != one[6].truth.shape or not torch.equal(
        one[5].truth, one[6].truth
    )


def test_a_batch_hides_what_is_not_given_and_fits_the_network(job, card):
    train_on, _, _ = gather(job, card)
    batch = Batches(job.learn, card, mixture_of(job, card, train_on), batch_size=4)[7]

    assert torch.all(batch.sources[~batch.given] == -1)
    assert batch.sources.shape == batch.truth.shape
    assert batch.sources.shape[2] % 16 == batch.sources.shape[3] % 16 == 0
    assert batch.truth.dtype == torch.float32
    assert batch.truth.abs().max() <= 1


def test_a_missing_contrast_is_neither_given_nor_wanted(plain, card):
    mixture = Mixture([Numbered(present=(True, False, True))], ("axial",))
    batches = Batches(plain, card, mixture, batch_size=4)

    for batch in (batches[n] for n in range(6)):
        assert not batch.given[:, 1].any()
        assert not batch.wanted[:, 1].any()
        assert torch.all(batch.given.any(dim=1) & batch.wanted.any(dim=1))


def test_a_missing_contrast_is_not_wanted_of_a_directed_model_either(plain, card):
    directed = replace(
        card, is_unified=False, inputs=("T1", "T2"), outputs=("FLAIR", "T2")
    )
    mixture = Mixture([Numbered(present=(True, False, True))], ("axial",))

    batch = Batches(plain, directed, mixture, batch_size=2)[0]

    assert batch.wanted.tolist() == [[True, False]] * 2
    assert torch.all(batch.sources[:, 1] == -1)


def test_one_mask_for_a_batch_if_the_norm_asks_for_it(plain, card):
    whole = Mixture([Numbered(n=40)], ("axial",))
    mixed, same = (
        Batches(plain, card, whole, batch_size=8, is_one_mask=is_one)
        for is_one in (False, True)
    )

    def n_masks(batches):
        return max(len(batches[n].given.unique(dim=0)) for n in range(4))

    assert n_masks(mixed) > 1
    assert n_masks(same) == 1


def test_subjects_without_a_common_mask_still_make_a_batch(plain, card):
    subjects = [
        Numbered("ann", 1, (True, True, False)),
        Numbered("bob", 1, (False, True, True)),
    ]
    mixture = Mixture(subjects, ("axial",))

    batch = Batches(plain, card, mixture, batch_size=2, is_one_mask=True)[0]

    assert torch.all(batch.given.any(dim=1) & batch.wanted.any(dim=1))


def test_only_targets_are_wanted(plain, card):
    mixture = Mixture([Numbered()], ("axial",))
    batch = Batches(plain, card, mixture, targets=("T2",), batch_size=10)[0]

    assert batch.wanted.tolist() == [[False, True, False]] * 10


@pytest.mark.parametrize(
    ("flip", "flips", "plane", "may"),
    [
        (True, True, "axial", True),
        (True, True, "coronal", True),
        (True, True, "sagittal", False),
        (True, False, "axial", False),
        (False, True, "axial", False),
    ],
)
def test_slices_are_mirrored_only_where_that_is_allowed(
    plain, card, flip, flips, plane, may
):
    mixture = Mixture([Numbered(n=40)], (plane,))
    config = replace(plain, flip=flip)
    batch = Batches(config, replace(card, flips=flips), mixture, batch_size=40)[0]

    is_mirrored = batch.truth[:, 0, 0, -1] >= 0
    assert is_mirrored.any() == may
    assert not is_mirrored.all()


def test_the_share_of_simulated_slices_is_kept(plain, card):
    class Bright:
        def draw(self, plane, rng):
            images = np.ones((3, 16, 16), np.float32)
            return Sample(images, images, np.ones(3, bool))

    mixture = Mixture([Numbered(n=400)], ("axial",), Bright(), 0.25)
    batch = Batches(plain, card, mixture, batch_size=400)[0]

    share = (batch.truth.amin(dim=(1, 2, 3)) == 1).float().mean()
    assert 0.18 < float(share) < 0.32


def test_patches_have_the_side_that_was_asked_for(plain, card):
    mixture = Mixture([Numbered(shape=(60, 90))], ("axial",))

    batch = Batches(replace(plain, patch_size=40), card, mixture, batch_size=2)[0]

    assert batch.truth.shape[2:] == (48, 48)


def test_there_must_be_a_slice(plain, card):
    with pytest.raises(VolumeError, match="no slice to train on"):
        Batches(plain, card, Mixture([Numbered(n=0)], ("axial",)))


def test_a_smaller_image_is_padded_and_a_larger_one_cut(rng):
    image = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4)

    padded = fit_to(image, (5, 8), 0, rng)
    assert np.array_equal(padded[0, 1:4, 2:6], image[0])
    assert (padded == -1).sum() == 40 - 12
    assert np.array_equal(fit_to(image, (1, 2), 0, rng), image[:, 1:2, 1:3])
