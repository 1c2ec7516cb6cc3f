"""The hatched mask: what is wide is outlined, and striped inside."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_medsynth.errors import EngineError
from napari_medsynth.io import Volume, read_study, write_volume
from napari_medsynth.trust.do_not_trust import do_not_trust, hatch


@pytest.fixture
def wide():
    """Half-widths (4, 30, 24) of 50, but 300 in a box of slice 1 and 2."""
    data = np.full((1, 4, 30, 24), 50, np.float32)
    data[0, 1:3, 5:25, 4:20] = 300
    metadata = {"synthetic": True, "provenance": {"model": "m"}}
    return Volume(data, spacing=(3.0, 1.0, 1.0), modality="T1", metadata=metadata)


def box():
    mask = np.zeros((4, 30, 24), bool)
    mask[1:3, 5:25, 4:20] = True
    return mask


def test_what_is_wider_than_the_limit_is_marked(wide):
    marked = do_not_trust(wide, data_range=1000, limit=0.2, is_hatched=False)

    assert_array_equal(marked.data[0], box())
    assert not do_not_trust(wide, data_range=1000, limit=0.3).data.any()
    assert do_not_trust(wide, data_range=1000, limit=0.04, is_hatched=False).data.all()


def test_only_voxels_of_the_mask_are_marked_and_counted(wide):
    mask = np.zeros(wide.shape, bool)
    mask[:, :15] = True

    marked = do_not_trust(wide, data_range=1000, mask=mask)

    assert marked.data[0, 1, 5:15].any() and not marked.data[0, :, 15:].any()
    assert marked.metadata["marked_share"] == pytest.approx(
        (2 * 10 * 16) / (4 * 15 * 24)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outline_of_each_slice_is_full_and_inside_is_striped(axis):
    mask = np.moveaxis(box(), 0, axis)
    hatched = np.moveaxis(hatch(mask, axis=axis, stripe=2, period=6), axis, 0)

    slice_ = hatched[1, 5:25, 4:20]
    assert slice_[0].all() and slice_[-1].all()
    assert slice_[:, 0].all() and slice_[:, -1].all()
    assert slice_[1:-1, 1:-1].mean() == pytest.approx(1 / 3, abs=0.03)
    assert_array_equal(hatched & ~box(), False)
    # both slices of a flat region show the anatomy
    assert hatched[2, 6:24, 5:19].mean() == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stripes_are_diagonal_and_of_fixed_width_in_every_plane(axis):
    hatched = hatch(np.ones((40, 40, 40), bool), stripe=2, period=6)
    middle = np.take(hatched, 20, axis=axis)[5:35, 5:35]

    assert_array_equal(middle[1:, :-1], middle[:-1, 1:])  # along the diagonal: equal
    starts = np.flatnonzero(middle[0, 1:] & ~middle[0, :-1])
    ends = np.flatnonzero(~middle[0, 1:] & middle[0, :-1])
    assert_array_equal(np.diff(starts), 6)
    first = ends[ends > starts[0]][: len(starts)]
    assert_array_equal(first - starts[: len(first)], 2)


def test_mask_says_what_it_is_and_survives_a_file(wide, tmp_path):
    marked = do_not_trust(wide, data_range=1000)

    assert marked.modality == "" and marked.metadata["trust"] == "do not trust"
    assert "20 % of the range" in marked.name
    write_volume(marked, tmp_path / "mask.nii.gz")
    back = read_study({"T1": tmp_path / "mask.nii.gz"})["T1"]
    assert_array_equal(back.data.astype(np.uint8), marked.data)
    assert back.metadata["provenance"]["model"] == "m"


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"plane": "oblique"}])
def test_impossible_limits_and_planes_are_refused(wide, wrong):
    with pytest.raises(EngineError, match="a limit above 0 and one of the planes"):
        do_not_trust(wide, data_range=1000, **wrong)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_hatched_as_they_are_in_the_volume(axis, rng):
    mask = rng.uniform(size=(8, 9, 10)) < 0.8
    whole = np.moveaxis(hatch(mask, axis=axis), axis, 0)

    part = np.moveaxis(np.moveaxis(mask, axis, 0)[3:5], 0, axis)

    alone = np.moveaxis(hatch(part, axis=axis, first=3), axis, 0)
    assert_array_equal(alone, whole[3:5])
