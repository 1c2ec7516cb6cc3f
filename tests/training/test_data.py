"""Slices, masks and batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.data import Batches, random_mask
from napari_medsynth.training.scanner import Scanner
from napari_medsynth.training.slices import RealSlices, mirrored

MODALITIES = ("T1", "T2", "PD", "FLAIR")


@pytest.mark.parametrize(
    ("plane", "shape"),
    [("axial", (44, 36)), ("coronal", (26, 36)), ("sagittal", (26, 44))],
)
def test_a_simulated_slice_has_its_planes_shape_and_range(brick, rng, plane, shape):
    images, truth = Scanner(MODALITIES, brick, rng).slice_(plane, 13, rng)

    assert images.shape == truth.shape == (4, *shape)
    assert truth.min() == -1  # air
    assert truth.max() <= 1
    assert truth[1].max() > 0  # fluid is bright in T2
    assert np.any(images != truth)


def test_slices_are_normalised_as_the_whole_volume_would_be(brick):
    def scanned(index):
        rng = np.random.default_rng(8)
        return Scanner(MODALITIES, brick, rng).slice_("axial", index, rng)[0]

    volume = np.stack([scanned(i) for i in range(26)], axis=1)
    for contrast in volume:
        fit = fit_normalisation(contrast, {"kind": "percentile"})
        assert fit.low == pytest.approx(-1, abs=0.05)
        assert fit.high == pytest.approx(1, abs=0.2)


def test_masks_give_and_want_at_least_one(rng):
    present = np.array([True, True, False, True])
    masks = [random_mask(present, rng) for _ in range(200)]

    assert all(mask.any() for mask in masks)
    assert all((present & ~mask).any() for mask in masks)
    assert not any(mask[2] for mask in masks)
    assert len({tuple(mask) for mask in masks}) == 6  # all there are


def test_a_missing_contrast_is_neither_given_nor_wanted(config, subject):
    only_real = replace(config, real=(str(subject),), real_share=1.0, batch_size=4)
    batch = Batches(only_real)[0]

    assert not batch.given[:, 2].any()
    assert not batch.wanted[:, 2].any()
    assert torch.all(batch.given.any(dim=1) & batch.wanted.any(dim=1))


def test_a_batch_hides_what_is_not_given_and_fits_the_network(config):
    batch = Batches(config)[7]

    assert torch.all(batch.sources[~batch.given] == -1)
    assert batch.sources.shape == batch.truth.shape
    assert batch.sources.shape[2] % 16 == batch.sources.shape[3] % 16 == 0
    assert batch.truth.dtype == torch.float32
    assert batch.truth.abs().max() <= 1


def test_a_batch_depends_on_its_number_only(config):
    one, other = Batches(config), Batches(config)
    one[0], one[1]

    assert torch.equal(one[5].sources, other[5].sources)
    assert not torch.equal(one[5].truth[0, 0, :8], one[6].truth[0, 0, :8]) or (
        one[5].truth.shape != one[6].truth.shape
    )


def test_mirroring_swaps_the_sides_of_all_contrasts(subject, rng):
    sample = RealSlices(subject, MODALITIES).draw("axial", rng)

    np.testing.assert_array_equal(mirrored(sample).truth[..., 0], sample.truth[..., -1])


def test_a_real_subject_needs_two_contrasts_on_one_grid(subject):
    import SimpleITK as sitk

    (subject / "T2.nii.gz").unlink()
    other = sitk.GetImageFromArray(np.ones((5, 6, 7), np.float32))
    sitk.WriteImage(other, str(subject / "FLAIR.nii.gz"))
    with pytest.raises(VolumeError, match="one grid"):
        RealSlices(subject, MODALITIES)
    (subject / "FLAIR.nii.gz").unlink()
    with pytest.raises(VolumeError, match="needs two of"):
        RealSlices(subject, MODALITIES)
