import json

import numpy as np
import pytest

from napari_medsynth.training.guard.stats import Interval, paired_interval


def test_mean_counts_each_subject_once():
    found = paired_interval([[1.0, 1.0, 1.0, 1.0], [4.0], [7.0, 7.0]])

    assert found.mean == pytest.approx(4.0)
    assert (found.n, found.of) == (3, "subjects")


def test_interval_is_that_of_subjects_however_many_slices_they_have(rng):
    centres = rng.normal(0.0, 2.0, 12)
    slices = [centre + 0.01 * rng.normal(size=50) for centre in centres]

    found = paired_interval(slices)

    # Twelve numbers: their standard error, not that of 600.
    error = centres.std(ddof=1) / np.sqrt(12)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert found.low < centres.mean() < found.high


def test_interval_covers_the_true_difference_about_as_often_as_it_says(rng):
    true, n = 0.3, 200
    found = [paired_interval([[x] for x in rng.normal(true, 1, 20)]) for _ in range(n)]

    covered = sum(one.low <= true <= one.high for one in found) / n
    assert 0.87 <= covered <= 0.98


def test_slices_are_resampled_within_two_subjects():
    found = paired_interval([[1.0, 3.0], [10.0, 10.0, 10.0]])

    assert (found.n, found.of) == (5, "slices")
    # The second subject never changes, so only half of the first one's spread is left.
    assert (found.low, found.mean, found.high) == pytest.approx((5.5, 6.0, 6.5))


def test_one_slice_has_a_mean_but_no_interval():
    found = paired_interval([[2.0]])

    assert found == Interval(2.0, None, None, 1, "slices")
    assert not found.is_above_zero
    assert not found.is_below_zero


def test_what_is_not_finite_does_not_count():
    found = paired_interval([[1.0, np.nan], [np.inf, 2.0], [np.nan], [3.0]])

    assert (found.mean, found.n, found.of) == (2.0, 3, "subjects")


@pytest.mark.parametrize("nothing", [[], [[]], [[np.nan], []]])
def test_nothing_measured_is_none(nothing):
    assert paired_interval(nothing) is None


def test_equal_seeds_give_equal_intervals(rng):
    differences = rng.normal(size=(5, 4))

    assert paired_interval(differences, seed=3) == paired_interval(differences, seed=3)
    assert paired_interval(differences, seed=3) != paired_interval(differences, seed=4)


def test_interval_survives_json():
    for interval in (paired_interval([[1.0, 2.0]]), paired_interval([[1.0]])):
        assert (
            Interval.from_json(json.loads(json.dumps(interval.to_json()))) == interval
        )
