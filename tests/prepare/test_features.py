"""What a scan looks like: features, skull, distances, guesses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import rotate
from scipy.spatial import cKDTree

from napari_medsynth.errors import VolumeError
from napari_medsynth.prepare import look_at
from napari_medsynth.prepare.features import (
    NAMES,
    QUANTILES,
    SHELLS,
    Look,
    distance,
    known_modalities,
    likeness,
    summary_of,
)
from prepare.heads import CONTRASTS, SPACING, brain, depths, volume, with_skull


@pytest.fixture(scope="module")
def looks() -> dict[str, list[Look]]:
    return {c: [look_at(brain(c, seed=s)) for s in range(3)] for c in CONTRASTS}


def look_of(features) -> Look:
    return Look(np.asarray(features, float), 1.0, 1500.0, (130, 170, 140), False)


def test_features_are_those_of_a_ramp_measured_the_long_way():
    depth = depths()
    ball = depth > 0
    grid = np.argwhere(np.ones_like(ball)) * SPACING
    to_air, _ = cKDTree(grid[~ball.ravel()]).query(grid)  # no distance transform
    under = to_air.reshape(ball.shape)
    ramp = np.where(ball, 500 + 20 * depth, 0)  # 20 a millimetre

    features = look_at(volume(ramp)).features

    top = np.flatnonzero(ball.any(axis=(1, 2)))[-1]
    upper = ball & (np.arange(len(ball)) > top - 30)[:, None, None]
    middle = np.median(ramp[upper])
    shells = [
        np.median(ramp[upper & (under > low) & (under <= high)]) / middle
        for low, high in SHELLS
    ]
    first = len(SHELLS)
    last = first + len(QUANTILES)
    np.testing.assert_allclose(features[:first], shells, rtol=0.01)
    np.testing.assert_allclose(
        features[first:last], np.percentile(ramp[upper], QUANTILES) / middle, rtol=0.02
    )
    rim, core = (
        ramp[upper & where] for where in ((under > 3) & (under <= 12), under > 27)
    )
    tails = np.concatenate([np.percentile(part, (5, 95)) for part in (rim, core)])
    np.testing.assert_allclose(features[last : last + 4], tails / middle, rtol=0.01)
    assert features[-1] == pytest.approx(10 * 20 / middle, rel=0.02)


@pytest.mark.parametrize("scale", [1e-3, 20.0])
def test_unit_and_position_change_nothing(scale):
    head = brain("T1")
    moved = head.with_data(head.data * np.float32(scale), origin=(55.0, -20.0, 9.0))

    np.testing.assert_allclose(
        look_at(moved).features, look_at(head).features, rtol=1e-3
    )


def test_skull_is_found_and_the_brain_inside_is_measured():
    for contrast in CONTRASTS:
        bare, covered = look_at(brain(contrast)), look_at(with_skull(contrast))

        assert not bare.has_skull, contrast
        assert covered.has_skull, contrast
        assert covered.volume > 1.5 * bare.volume
        shells = slice(2, len(SHELLS))  # the cut is uncertain by some millimetres
        np.testing.assert_allclose(
            covered.features[shells], bare.features[shells], atol=0.2
        )


def test_size_and_box_are_those_of_the_ball():
    look = look_at(brain("T1"))

    assert look.volume == pytest.approx(4 / 3 * np.pi * 7.2**3, rel=0.05)
    np.testing.assert_allclose(look.extent, (144, 144, 144), atol=6)
    assert not look.is_cut
    assert look.is_head


def test_a_field_of_view_that_ends_in_the_head_is_noticed():
    whole = brain("T1")
    cut = whole.with_data(whole.data[:, :40])

    assert look_at(cut).is_cut


@pytest.mark.parametrize("array", [np.zeros((20, 20, 20)), np.full((20, 20, 20), 7.0)])
def test_an_empty_scan_is_refused_in_a_sentence(array):
    with pytest.raises(VolumeError, match="T1"):
        look_at(volume(array))


def test_summary_is_the_weighted_mean_and_spread():
    rng = np.random.default_rng(1)
    rows = rng.normal(1, 0.2, (4, len(NAMES)))
    weights = [0.1, 0.2, 0.3, 0.4]

    known = summary_of({"T1": [look_of(r) for r in rows]}, {"T1": weights})[
        "modalities"
    ]

    mean = sum(w * r for w, r in zip(weights, rows, strict=True))
    spread = sum(w * (r - mean) ** 2 for w, r in zip(weights, rows, strict=True)) ** 0.5
    np.testing.assert_allclose(known["T1"]["mean"], mean, atol=1e-4)
    np.testing.assert_allclose(known["T1"]["std"], spread, atol=1e-4)
    assert known["T1"]["n_subjects"] == 4
    assert known["T1"]["with_skull"] == 0.0


def test_distance_is_in_standard_deviations():
    rows = np.ones((2, len(NAMES))) + np.array([[0.3], [-0.3]])  # mean 1, std 0.3
    summary = summary_of({"T1": [look_of(r) for r in rows]})

    assert distance(np.ones(len(NAMES)), summary, "T1") == 0.0
    away = np.full(len(NAMES), 1.6)
    assert distance(away, summary, "T1") == pytest.approx(
        0.6 / np.hypot(0.3, 0.05), rel=1e-3
    )
    away[1:] = 1.0
    assert distance(away, summary, "T1", slice(1, None)) == 0.0


def test_a_contrast_looks_most_like_itself(looks):
    summary = summary_of(looks)

    for contrast in CONTRASTS:
        unseen = look_at(brain(contrast, seed=99, scale=3.0)).features
        found = likeness(unseen, summary)
        assert next(iter(found)) == contrast
        assert list(found.values()) == sorted(found.values())
        covered = look_at(with_skull(contrast)).features
        assert next(iter(likeness(covered, summary))) == contrast


def test_features_of_another_version_are_not_compared(looks):
    summary = summary_of(looks)

    assert known_modalities(summary) == tuple(CONTRASTS)
    assert known_modalities({**summary, "names": ["something else"]}) == ()
    assert known_modalities({}) == ()


def test_a_turned_head_looks_the_same():
    head = with_skull("T1")
    turned = head.with_data(rotate(head.data, 10, axes=(1, 2), reshape=False, order=1))

    assert look_at(turned).has_skull
    np.testing.assert_allclose(
        look_at(turned).features[2:5], look_at(head).features[2:5], atol=0.05
    )
