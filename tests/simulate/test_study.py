"""Anatomies and simulated studies."""

import time

import numpy as np
import pytest

from napari_medsynth.io import same_grid
from napari_medsynth.simulate import (
    TISSUES,
    Anatomy,
    ScanSettings,
    Sequence,
    add_lesions,
    individual_anatomy,
    load_anatomy,
    sample_study,
    simulate_study,
)

IDEAL = ScanSettings(bias=0, noise=0, is_random_protocol=False)


@pytest.fixture(scope="module")
def average() -> Anatomy:
    return load_anatomy()


@pytest.fixture
def brick() -> Anatomy:
    """A small head: fluid outside, grey below, white inside."""
    shares = np.zeros((4, 14, 30, 26), np.uint8)
    shares[0, 2:12, 3:27, 3:23] = 255
    shares[:2, 3:11, 5:25, 5:21] = [[[[0]]], [[[255]]]]
    shares[1:3, 4:10, 8:22, 8:18] = [[[[0]]], [[[255]]]]
    return Anatomy(shares, (0.0, 0.0, 0.0))


def test_average_brain_has_the_volumes_of_its_maps():
    shares = load_anatomy(texture=0).shares / 255.0
    millilitres = dict(zip(TISSUES, shares.sum(axis=(1, 2, 3)) / 1000, strict=True))

    assert millilitres["GM"] == pytest.approx(996, rel=0.02)
    assert millilitres["WM"] == pytest.approx(670, rel=0.02)
    assert millilitres["CSF"] == pytest.approx(216, rel=0.05)
    assert shares.sum(axis=0).max() <= 1.02


def test_average_brain_is_upright_in_lps(average):
    # Cerebellum: low and posterior. Its centre of mass is behind and below the brain's.
    brain = np.argwhere(average.brain)
    low = brain[brain[:, 0] < 25]
    assert low[:, 1].mean() > brain[:, 1].mean() + 10
    assert average.origin[0] < -70


def test_individuals_differ_and_repeat(brick):
    one, again, other = (
        individual_anatomy(brick, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one.shares, again.shares)
    assert np.any(one.shares != other.shares)
    assert one.shares.astype(int).sum(axis=0).max() <= 257
    assert one.shares.dtype == np.uint8


def test_lesions_replace_white_matter_only(brick, rng):
    with_lesions = add_lesions(brick, rng, 3)

    assert with_lesions.shares[3].sum() > 0
    np.testing.assert_array_equal(with_lesions.shares[:2], brick.shares[:2])
    total = with_lesions.shares.astype(int).sum(axis=0)
    np.testing.assert_allclose(total, brick.shares.astype(int).sum(axis=0), atol=1)
    assert add_lesions(brick, rng, 0) is brick


def test_ideal_scan_has_the_contrasts_of_its_protocol(brick):
    study = simulate_study(3, settings=IDEAL, anatomy=brick)
    grey, white, fluid = (
        {m: study[m].data[0][at] for m in study.modalities}
        for at in ((7, 6, 13), (7, 15, 13), (7, 4, 13))
    )

    assert fluid["T1"] < grey["T1"] < white["T1"]
    assert white["T2"] < grey["T2"] < fluid["T2"]
    assert white["PD"] < grey["PD"]
    assert fluid["FLAIR"] < 0.05 * white["FLAIR"]
    assert grey["T1"] / white["T1"] == pytest.approx(0.237 / 0.295, abs=0.005)


def test_another_timing_gives_another_contrast(brick):
    usual = simulate_study(0, modalities=("T2",), settings=IDEAL, anatomy=brick)["T2"]
    late = simulate_study(
        0,
        modalities=("T2",),
        settings=IDEAL,
        anatomy=brick,
        sequences={"T2": Sequence("spin echo", 4500, 300)},
    )["T2"]

    def fluid_over_white(volume):
        image = volume.data[0]
        return image[2, 4, 4] / image[6, 14, 12]

    assert fluid_over_white(late) > 3 * fluid_over_white(usual)
    assert late.metadata["sequence"]["te"] == 300


def test_noise_and_bias_change_the_brain_but_not_the_air(brick):
    ideal = simulate_study(3, settings=IDEAL, anatomy=brick)
    real = simulate_study(3, anatomy=brick)

    assert np.all(real["T1"].data[0][~brick.brain] == 0)
    assert real["T2"].data[0][brick.brain].std() > 0
    assert np.any(ideal["T1"].data != real["T1"].data)


def test_sample_study_is_whole_fast_and_repeats():
    start = time.process_time()
    study = sample_study(0)
    seconds = time.process_time() - start

    assert study.modalities == ("T1", "T2", "PD", "FLAIR")
    first = study["T1"]
    assert all(same_grid(first, study[m]) for m in study.modalities)
    assert first.spacing == (1.0, 1.0, 1.0)
    assert all(np.isfinite(study[m].data).all() for m in study.modalities)
    brain = first.data[0] > 0
    assert 0.9e6 < brain.sum() < 2.0e6
    assert not brain[:, 0].any()  # the head does not touch the edge of the grid
    assert not brain[:, -1].any()
    assert seconds < 6  # about 2 on an idle machine
