import numpy as np
import pytest

from napari_medsynth.engine.intensity import fit_normalisation, intensity_spec
from napari_medsynth.errors import CardError

PERCENTILE = {"kind": "percentile"}


@pytest.fixture
def head(rng):
    """Half air at 0, half tissue between 100 and 300."""
    image = np.zeros((4, 20, 20), np.float32)
    image[:, :, 10:] = rng.uniform(100, 300, (4, 20, 10))
    return image


def test_percentiles_are_those_of_all_voxels_and_of_the_bright_ones(head):
    fitted = fit_normalisation(head, PERCENTILE)

    bright = head[head > head.mean()]
    assert fitted.low == 0.0
    assert fitted.high == pytest.approx(np.percentile(bright, 99.5))


def test_more_air_around_the_head_changes_little(head):
    padded = np.pad(head, ((0, 0), (40, 40), (40, 40)))
    little, much = (fit_normalisation(a, PERCENTILE) for a in (head, padded))

    assert much.high == pytest.approx(little.high, rel=0.02)


def test_background_becomes_minus_one_and_the_range_is_kept(head):
    scaled = fit_normalisation(head, PERCENTILE).forward(head)

    assert scaled.dtype == np.float32
    assert np.all(scaled[:, :, :10] == -1.0)
    assert scaled.max() == 1.0


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "window", "low": -1000, "high": 2000},
        {"kind": "zscore", "n_std": 20},
        {"kind": "percentile", "low": 0, "high": 100},
    ],
    ids=lambda spec: spec["kind"],
)
def test_inverse_undoes_forward(spec, head):
    fitted = fit_normalisation(head, spec)

    np.testing.assert_allclose(fitted.inverse(fitted.forward(head)), head, atol=2e-3)


def test_window_takes_the_given_limits():
    fitted = fit_normalisation([0.0], {"kind": "window", "low": -160, "high": 240})

    np.testing.assert_allclose(
        fitted.forward([-500, -160, 40, 240, 900]), [-1, -1, 0, 1, 1], atol=1e-6
    )


def test_zscore_centres_on_the_tissue(head):
    bright = head[head > head.mean()]
    fitted = fit_normalisation(head, {"kind": "zscore", "n_std": 2})

    assert fitted.forward(bright.mean()) == pytest.approx(0.0, abs=1e-4)
    assert fitted.forward(bright.mean() + bright.std()) == pytest.approx(0.5, abs=1e-4)


def test_not_a_number_is_background_in_both_directions(head):
    head[0, 0, :3] = np.nan, np.inf, -np.inf
    fitted = fit_normalisation(head, PERCENTILE)

    np.testing.assert_array_equal(fitted.forward(head)[0, 0, :3], [-1, 1, -1])
    assert fitted.inverse(np.nan) == fitted.low
    assert np.isfinite([fitted.low, fitted.high]).all()


@pytest.mark.parametrize("value", [0.0, -5.0, 7e6, np.nan])
def test_a_constant_image_becomes_background(value):
    image = np.full((3, 3), value, np.float32)
    for kind in ("percentile", "zscore"):
        assert np.all(fit_normalisation(image, {"kind": kind}).forward(image) == -1)


def test_the_given_array_is_left_alone(head):
    before = head.copy()
    fitted = fit_normalisation(head, PERCENTILE)
    fitted.inverse(fitted.forward(head))

    np.testing.assert_array_equal(head, before)


def test_a_large_image_is_sampled_the_same_way_twice(rng, monkeypatch):
    image = rng.gamma(2.0, 100.0, (16, 64, 64)).astype(np.float32)
    exact = fit_normalisation(image, PERCENTILE)
    monkeypatch.setattr("napari_medsynth.engine.intensity._MAX_SAMPLES", 5000)
    sampled = [fit_normalisation(image, PERCENTILE) for _ in range(2)]

    assert sampled[0] == sampled[1]
    assert sampled[0].high == pytest.approx(exact.high, rel=0.1)


@pytest.mark.parametrize(
    "spec",
    [{"kind": "magic"}, {"kind": "window"}, {"kind": "window", "low": 3, "high": 1}],
)
def test_a_spec_that_cannot_work_is_refused(spec):
    with pytest.raises(CardError, match=r"needs two rising|must be one of"):
        fit_normalisation([0.0, 1.0], spec)


def test_a_card_may_name_a_modality_or_all():
    intensity = {"CT": {"kind": "window"}, "*": {"kind": "zscore"}}

    assert intensity_spec(intensity, "CT") == {"kind": "window"}
    assert intensity_spec(intensity, "T1") == {"kind": "zscore"}
    assert intensity_spec({}, "T1") == PERCENTILE
