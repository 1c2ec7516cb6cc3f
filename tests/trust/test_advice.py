"""Advice on missing scans, from tables written by hand."""

from dataclasses import replace

import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.trust.advice import advise, known_quality
from napari_medsynth.trust.site import Row, SelfTest


def quality(data, available, psnr, target="FLAIR", ssim=0.5):
    row = {"data": data, "available": available, "target": target}
    return row | {"psnr": psnr, "ssim": ssim}


@pytest.fixture
def rated(card):
    return replace(
        card,
        quality=(
            quality("real Jil (trained on)", "T1", 30.0),
            quality("real Jil (trained on)", "T1+T2", 31.0),
            quality("simulated", "T1", 20.0),
            quality("simulated", "T1+T2", 26.0),
            quality("simulated", "T1+PD", 21.5, ssim=0.75),
            quality("real Jim (validation)", "T1", 15.0),
            quality("real Jim (validation)", "T1+T2", 16.0),
            quality("real Joe (held out)", "T1", 12.0),
            quality("real Joe (held out)", ["T2", "T1"], 12.5, ssim=0.4),
            quality("real Joe (held out)", "T1+T2", 3.0, target="PD"),
        ),
    )


def test_each_missing_scan_is_rated_on_the_most_realistic_data(rated):
    pd, t2 = advise(rated, ["T1"], "FLAIR")

    assert (pd.missing, pd.gain_db) == ("PD", pytest.approx(1.5))
    assert pd.ssim_gain == pytest.approx(0.25)
    assert "simulated" in pd.basis
    assert (t2.missing, t2.gain_db) == ("T2", pytest.approx(0.5))
    assert t2.ssim_gain == pytest.approx(-0.1)
    assert "real Joe (held out)" in t2.basis


def test_gain_compares_the_same_data_only(card):
    mixed = (quality("a", "T1", 20.0), quality("b", "T1+T2", 30.0))

    assert advise(replace(card, quality=mixed), ["T1"], "FLAIR") == ()


def test_measurements_at_the_site_count_first(rated):
    rows = [
        Row("a", ("T1",), "FLAIR", 18.0, 0.6, 0.1),
        Row("a", ("T1", "T2"), "FLAIR", 21.0, 0.7, 0.1),
        Row("b", ("T1",), "FLAIR", 10.0, 0.6, 0.1),
        Row("b", ("T1", "T2"), "FLAIR", 11.0, 0.6, 0.1),
        Row("c", ("T1", "T2"), "FLAIR", 40.0, 0.9, 0.1),  # never without T2
    ]
    site = SelfTest("mixer", rated.sha256, "2026-11-20", tuple(rows))

    best, other = advise(rated, ["T1"], "FLAIR", site)

    assert (best.missing, best.gain_db) == ("T2", pytest.approx(2.0))
    assert best.ssim_gain == pytest.approx(0.05)
    assert best.basis == "Measured here on 2 subjects (self-test of 2026-11-20)."
    assert (other.missing, "simulated" in other.basis) == ("PD", True)


def test_nothing_is_said_of_what_was_never_measured(rated):
    assert [a.missing for a in advise(rated, ["T2"], "FLAIR")] == []
    assert advise(rated, [], "FLAIR") == ()
    assert advise(rated, ["T1", "T2", "PD"], "FLAIR") == ()


def test_model_of_fixed_sources_gets_no_advice(rated):
    fixed = replace(rated, inputs=("T1", "T2"), outputs=("FLAIR",), is_unified=False)

    assert advise(fixed, ["T1"], "FLAIR") == ()


def test_target_that_is_not_made_is_refused(rated):
    with pytest.raises(CardError, match="cannot make CT"):
        advise(rated, ["T1"], "CT")


def test_known_quality_prefers_the_site_then_real_data(rated):
    row = Row("a", ("T1",), "FLAIR", 18.0, 0.6, 0.1)
    site = SelfTest("mixer", rated.sha256, "2026-11-20", (row,))

    assert known_quality(rated, ["T1"], "FLAIR", site).psnr == 18.0
    assert known_quality(rated, ["T1"], "FLAIR").psnr == 12.0
    assert known_quality(rated, ["PD", "T1"], "FLAIR", site).psnr == 21.5
    assert known_quality(rated, ["PD"], "FLAIR") is None
