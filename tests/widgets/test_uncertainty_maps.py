"""Mean, spread, interval and mask of one target, filled slice by slice."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_medsynth.io import Volume
from napari_medsynth.trust.calibration import Calibration
from napari_medsynth.trust.conformal import half_width
from napari_medsynth.trust.do_not_trust import do_not_trust
from napari_medsynth.widgets._uncertainty_maps import TargetMaps, mark

SHAPE = (6, 20, 18)
PLANES = ("axial", "coronal", "sagittal")
KNOWN = Calibration(3.0, 0.9, 0.9, None, None, 12, True, floor=0.01)


def filled(rng, axis=0, slices=None, *, calibration=None, limit=0.2):
    """Maps of a range of 400 above 100, some slices random, and what was put in."""
    inside = rng.uniform(size=SHAPE) < 0.9
    maps = TargetMaps(inside, axis, 100, 500)
    maps.calibrate(calibration)
    spread = rng.uniform(0, 120, SHAPE).astype(np.float32)
    mean = rng.uniform(100, 500, SHAPE).astype(np.float32)
    chosen = range(SHAPE[axis]) if slices is None else slices
    pick = [np.moveaxis(x, axis, 0)[list(chosen)] for x in (mean, spread)]
    maps.fill(tuple(chosen), *pick, limit)
    return maps, mean, spread


def last_of(generator):
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("calibration", [None, KNOWN])
def test_slices_are_hatched_as_the_whole_volume_is(rng, axis, calibration):
    maps, _, spread = filled(rng, axis, calibration=calibration)

    wide = spread
    if calibration is not None:
        wide = half_width(spread, calibration, data_range=400)
        assert_array_equal(maps.half_width, wide)
    whole = do_not_trust(
        Volume(wide[np.newaxis]),
        data_range=400,
        limit=0.2,
        mask=maps.inside,
        plane=PLANES[axis],
    )
    assert_array_equal(maps.labels, whole.data[0])
    assert maps.labels.any() and not maps.labels.all()
    marked = last_of(mark({"FLAIR": maps}, 0.2))
    assert_array_equal(marked.labels["FLAIR"], maps.labels)
    assert marked.shares["FLAIR"] == pytest.approx(whole.metadata["marked_share"])


def test_slices_that_were_not_run_say_nothing(rng):
    maps, mean, spread = filled(rng, axis=1, slices=(3, 9), calibration=KNOWN)

    assert_array_equal(maps.known, np.isin(np.arange(20), (3, 9)))
    others = np.delete(np.arange(20), (3, 9))
    assert (maps.mean[:, others] == 100).all()  # black
    for array in (maps.spread, maps.half_width, maps.labels):
        assert not array[:, others].any()
    assert_array_equal(maps.mean[:, 3], mean[:, 3])
    assert_array_equal(maps.spread[:, 9], spread[:, 9])
    seen = maps.inside[:, [3, 9]]
    assert maps.mean_spread == pytest.approx(spread[:, [3, 9]][seen].mean() / 400)
    share = last_of(mark({"x": maps}, 0.2)).shares["x"]
    wide = maps.half_width[:, [3, 9]] > 80
    assert share == pytest.approx((wide & seen).sum() / seen.sum())


def test_one_slice_is_hatched_anew_and_no_other(rng):
    maps, _, spread = filled(rng)
    before = maps.labels.copy()

    maps.mark_slice(2, 0.05)

    assert_array_equal(np.delete(maps.labels, 2, 0), np.delete(before, 2, 0))
    assert maps.labels[2].sum() > before[2].sum()
    assert not (maps.labels[2].astype(bool) & ~(spread[2] > 20)).any()


def test_a_later_calibration_widens_what_was_run(rng):
    maps, _, spread = filled(rng, slices=(1, 2))
    assert maps.wide is maps.spread

    maps.calibrate(KNOWN)

    assert maps.wide is maps.half_width
    expected = 3.0 * (spread[1:3] + 0.01 * 400)
    np.testing.assert_allclose(maps.half_width[1:3], expected, rtol=1e-5)
    assert not maps.half_width[3:].any()


def test_nothing_run_has_no_spread():
    maps = TargetMaps(np.ones(SHAPE, bool), 0, 0, 1)
    assert maps.mean_spread == 0
    assert last_of(mark({"x": maps}, 0.1)).shares == {"x": 0}
