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
    factor_for,
    half_width,
    interval,
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


def share_of_patients(factor_of, n_patients, confidence, n_draws=4000):
    """Give the share of new patients with 90 % inside, and its standard error."""
    rng = np.random.default_rng(5)
    held = []
    for _ in range(n_draws):
        *known, new = cohort(rng, n_patients + 1)
        held.append(np.mean(new <= factor_of(known, 0.9, confidence)) >= 0.9)
    share = np.mean(held)
    return share, np.sqrt(share * (1 - share) / n_draws)


@pytest.mark.parametrize(
    ("n_patients", "confidence"), [(9, 0.9), (10, 0.9), (25, 0.9), (5, 0.8), (33, 0.8)]
)
def test_new_patients_are_held_as_often_as_promised(n_patients, confidence):
    share, error = share_of_patients(factor_for, n_patients, confidence)

    assert share >= confidence - 3 * error
    assert share <= confidence + 1 / (n_patients + 1) + 3 * error  # and no wider


@pytest.mark.parametrize(("n_patients", "confidence"), [(10, 0.9), (20, 0.9), (5, 0.8)])
def test_new_patients_are_held_too_seldom_without_the_correction(
    n_patients, confidence
):
    def plain(patients, coverage, share):
        each = [np.quantile(scores, coverage) for scores in patients]
        return np.quantile(each, share, method="inverted_cdf")

    share, error = share_of_patients(plain, n_patients, confidence)

    assert share < confidence - 3 * error


def test_new_patients_are_held_too_seldom_if_voxels_are_pooled():
    def pooled(patients, coverage, share):
        return np.quantile(np.concatenate(patients), coverage)

    share, error = share_of_patients(pooled, 30, 0.9)

    assert share < 0.9 - 3 * error


def test_factor_is_the_smallest_that_holds_enough_patients(rng):
    """The long way: try every score."""
    patients = [rng.exponential(1 + 0.1 * n, size=n) for n in range(20, 50, 2)]
    for factor in np.sort(np.concatenate(patients)):
        held = sum(np.mean(scores <= factor) >= 0.9 for scores in patients)
        if held / (len(patients) + 1) >= 0.8:
            break

    assert factor_for(patients, 0.9, 0.8) == factor


def test_factor_scales_the_score_of_error_over_spread_and_floor(rng):
    cases = [case(rng) for _ in range(12)]

    found = calibrate(cases, floor=0.02)

    scores = [np.abs(c.truth - c.made) / (c.spread + 0.02) for c in cases]
    assert found.factor == pytest.approx(factor_for(scores, 0.9, 0.9), rel=1e-6)
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


def test_many_voxels_are_drawn_at_random_and_give_nearly_the_same(rng, monkeypatch):
    cases = [case(rng, n_voxels=n) for n in (4000, 100, 100, 100)]
    everything = calibrate(cases)

    monkeypatch.setattr(module, "MAX_VOXELS", 1000)
    drawn = calibrate(cases)

    assert drawn.factor == pytest.approx(everything.factor, rel=0.1)
    assert drawn == calibrate(cases)


@pytest.mark.parametrize(("share", "needed"), [(0.9, 9), (0.8, 4), (0.95, 19)])
def test_patients_needed_are_those_below_which_the_promise_fails(rng, share, needed):
    assert patients_needed(share) == needed
    cases = [case(rng) for _ in range(needed)]

    assert calibrate(cases, confidence=share).is_valid
    few = calibrate(cases[1:], confidence=share)
    assert not few.is_valid
    assert np.isfinite(few.factor)


def test_too_few_patients_are_told_in_plain_words(rng):
    few = calibrate([case(rng) for _ in range(3)])

    assert few.statement.startswith(
        "No guarantee: 3 patients are too few for an interval that holds for 90 % of "
        "new patients, 9 or more are needed; this one is a guess. Each patient left "
        "out in turn had "
    )
    one = calibrate([case(rng)])
    assert one.statement == (
        "No guarantee: 1 patient is too few for an interval that holds for 90 % of new "
        "patients, 9 or more are needed; this one is a guess."
    )


def test_enough_patients_are_told_what_is_promised(rng):
    found = calibrate([case(rng) for _ in range(19)], coverage=0.8, confidence=0.95)

    assert found.statement.startswith(
        "For 95 % of new patients like the 19 measured here, the interval holds the "
        "true value in at least 80 % of the voxels of the head; small regions such as "
        "lesions may have fewer. Each patient left out in turn had "
    )
    assert "at worst." in found.statement


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_impossible_shares_are_refused(rng, coverage):
    for wrong in ({"coverage": coverage}, {"confidence": coverage}):
        with pytest.raises(EngineError, match="are shares between 0 and 1"):
            calibrate([case(rng)], **wrong)


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
