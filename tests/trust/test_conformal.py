"""Conformal calibration: the promise holds, and only because of the correction."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.errors import EngineError
from napari_medsynth.trust import conformal as module
from napari_medsynth.trust.calibration import patients_needed
from napari_medsynth.trust.conformal import (
    Case,
    calibrate,
    case_of,
    half_width,
    interval,
    score_quantile,
)
from napari_medsynth.trust.uncertainty import Uncertainty


def cohort(rng, n, n_voxels=40):
    """Patients whose scores differ much from one to the next, (n, voxels)."""
    sizes = np.exp(rng.normal(0, 0.8, (n, 1)))
    return sizes * np.abs(rng.normal(size=(n, n_voxels)))


def case(rng, n_voxels=50, patient="", size=0.1):
    truth = rng.uniform(0.2, 0.8, n_voxels).astype(np.float32)
    made = truth + rng.normal(0, size, n_voxels).astype(np.float32)
    spread = rng.uniform(0.01, 0.1, n_voxels).astype(np.float32)
    return Case(truth, made, spread, np.ones(n_voxels, bool), patient)


def mean_coverage(quantile, n_patients, coverage, n_draws=3000):
    """Give the mean coverage of a new patient, and its standard error."""
    rng = np.random.default_rng(5)
    held = []
    for _ in range(n_draws):
        *known, new = cohort(rng, n_patients + 1)
        held.append(np.mean(new <= quantile(known, coverage)))
    return np.mean(held), np.std(held) / np.sqrt(n_draws)


@pytest.mark.parametrize(
    ("n_patients", "coverage"), [(9, 0.9), (15, 0.9), (4, 0.8), (25, 0.8)]
)
def test_coverage_of_new_patients_is_the_promised_one_on_average(n_patients, coverage):
    mean, error = mean_coverage(score_quantile, n_patients, coverage)

    assert mean >= coverage - 3 * error
    assert mean <= coverage + 1 / (n_patients + 1) + 3 * error  # not just very wide


@pytest.mark.parametrize(("n_patients", "coverage"), [(9, 0.9), (4, 0.8)])
def test_coverage_is_too_low_without_the_correction(n_patients, coverage):
    def plain(patients, share):
        return np.quantile(np.concatenate(patients), share)

    mean, error = mean_coverage(plain, n_patients, coverage)

    assert mean < coverage - 3 * error


def test_factor_is_the_corrected_weighted_quantile(rng):
    """The long way: the smallest score at which enough of every patient is held."""
    patients = [rng.exponential(size=n) for n in (30, 50, 20, 40, 10, 60, 25, 30, 45)]
    patients += [rng.exponential(size=33)]
    for factor in np.sort(np.concatenate(patients)):
        missed = sum(np.mean(scores > factor) for scores in patients)
        if (missed + 1) / (len(patients) + 1) <= 0.1:
            break

    assert score_quantile(patients, 0.9) == factor


def test_factor_scales_the_score_of_error_over_spread_and_floor(rng):
    cases = [case(rng) for _ in range(12)]

    found = calibrate(cases, floor=0.02)

    scores = [np.abs(c.truth - c.made) / (c.spread + 0.02) for c in cases]
    assert found.factor == pytest.approx(score_quantile(scores, 0.9), rel=1e-6)
    assert found.floor == 0.02 and found.n_patients == 12 and found.is_valid


def test_observed_coverage_leaves_each_patient_out(rng):
    cases = [case(rng, size=size) for size in np.linspace(0.05, 0.3, 11)]

    found = calibrate(cases)

    held = []
    for i, left_out in enumerate(cases):
        others = calibrate([*cases[:i], *cases[i + 1 :]])
        low, high = interval(left_out.made, left_out.spread, others)
        held.append(np.mean((low <= left_out.truth) & (left_out.truth <= high)))
    assert found.observed_coverage == pytest.approx(np.mean(held), abs=1e-3)
    assert found.lowest_coverage == pytest.approx(min(held), abs=1e-3)


def test_cases_of_one_patient_are_one_patient(rng):
    cases = [case(rng, patient="a"), case(rng, patient="a"), case(rng, patient="b")]

    assert calibrate(cases).n_patients == 2
    assert calibrate([replace(c, patient="") for c in cases]).n_patients == 3


def test_only_voxels_of_the_mask_count(rng):
    cases = [case(rng) for _ in range(10)]
    spoilt = []
    for one in cases:
        made = np.concatenate([one.made, one.made + 9])
        mask = np.concatenate([one.mask, ~one.mask])
        twice = (np.tile(array, 2) for array in (one.truth, one.spread))
        truth, spread = twice
        spoilt.append(Case(truth, made, spread, mask))

    assert calibrate(spoilt) == calibrate(cases)


def test_many_voxels_are_drawn_and_the_patient_keeps_its_weight(rng, monkeypatch):
    cases = [case(rng, n_voxels=n) for n in (4000, 100, 100, 100)]
    everything = calibrate(cases, coverage=0.7)

    monkeypatch.setattr(module, "MAX_VOXELS", 1000)
    drawn = calibrate(cases, coverage=0.7)

    assert drawn.factor == pytest.approx(everything.factor, rel=0.1)
    assert drawn == calibrate(cases, coverage=0.7)


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.8, 4), (0.95, 19)])
def test_patients_needed_are_those_below_which_the_promise_fails(rng, coverage, needed):
    assert patients_needed(coverage) == needed
    cases = [case(rng) for _ in range(needed)]

    assert calibrate(cases, coverage=coverage).is_valid
    few = calibrate(cases[1:], coverage=coverage)
    assert not few.is_valid
    assert np.isfinite(few.factor)


def test_too_few_patients_are_told_in_plain_words(rng):
    few = calibrate([case(rng) for _ in range(3)])

    assert few.statement.startswith(
        "No guarantee: 3 patients cannot calibrate an interval of 90 %, 9 or more can; "
        "this one is a guess. Each patient left out in turn had "
    )
    one = calibrate([case(rng)])
    assert one.statement == (
        "No guarantee: 1 patient cannot calibrate an interval of 90 %, 9 or more can; "
        "this one is a guess."
    )


def test_enough_patients_are_told_what_is_promised(rng):
    found = calibrate([case(rng) for _ in range(9)])

    assert "like the 9 measured here" in found.statement
    assert "90 % of the voxels or more, on average" in found.statement
    assert "lesions may have less" in found.statement
    assert "at worst." in found.statement


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_impossible_coverage_is_refused(rng, coverage):
    with pytest.raises(EngineError, match="share between 0 and 1"):
        calibrate([case(rng)], coverage=coverage)


def test_nothing_to_learn_from_is_refused(rng):
    one = case(rng)
    hidden = replace(one, mask=~one.mask)

    for cases in ([], [hidden]):
        with pytest.raises(EngineError, match="at least one patient"):
            calibrate(cases)


def test_half_width_is_in_the_unit_of_the_spread(rng):
    found = calibrate([case(rng) for _ in range(9)], floor=0.01)
    spread = rng.uniform(0, 50, (3, 4)).astype(np.float32)

    wide = half_width(spread, found, data_range=1000)

    assert_allclose(wide, found.factor * (spread + 10), rtol=1e-6)
    low, high = interval(np.zeros((3, 4), np.float32), spread, found, data_range=1000)
    assert_array_equal(high, wide)
    assert_array_equal(low, -wide)


def test_case_scales_both_images_as_the_card_says(quad, without, card):
    prepared = prepare_study(without(quad, "FLAIR"), card, targets=["FLAIR"])
    unit = prepared.sources.unit_of("FLAIR")
    truth = quad["FLAIR"]
    low = np.percentile(truth.data, 1)
    bright = truth.data[truth.data > truth.data.mean()]
    high = np.percentile(bright, 99.5)
    share = ((truth.data - low) / (high - low)).clip(0, 1)
    made = truth.with_data((unit.low + share * (unit.high - unit.low)).astype("f4"))
    spread = truth.with_data(np.full_like(truth.data, 0.25 * (unit.high - unit.low)))
    found = Uncertainty(
        {"FLAIR": made},
        {"FLAIR": spread},
        {"FLAIR": unit.high - unit.low},
        (0, 2),
        "augmentation",
        8,
    )

    one = case_of(prepared, found, "FLAIR", truth, patient="p")

    assert_allclose(one.truth, share[0], atol=1e-5)
    assert_allclose(one.made, share[0], atol=1e-5)
    assert_allclose(one.spread, 0.25, rtol=1e-5)
    assert not one.mask[1].any()  # not run
    assert one.mask[0, 5:-5, 5:-5].all() and not one.mask[0, :2].any()
    assert one.patient == "p"
