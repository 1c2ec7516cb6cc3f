"""Signal equations against hand-checked numbers (specs/simulate.md)."""

import numpy as np
import pytest

from napari_medsynth.simulate import (
    ASLDRO_3T,
    BRAINWEB_1_5T,
    TISSUES,
    Sequence,
    Tissue,
    inversion_recovery,
    nulling_time,
    random_sequence,
    spin_echo,
    spoiled_gradient_echo,
    standard_sequence,
)


@pytest.mark.parametrize(
    ("modality", "grey", "white", "fluid"),
    [
        ("T1", 0.237, 0.295, 0.144),
        ("T2", 0.334, 0.220, 0.551),
        ("PD", 0.725, 0.635, 0.738),
        ("FLAIR", 0.154, 0.138, 0.001),
    ],
)
def test_usual_protocols_at_3t_give_the_published_signals(modality, grey, white, fluid):
    signals = standard_sequence(modality, ASLDRO_3T).signals(ASLDRO_3T)

    by_name = dict(zip(TISSUES, signals, strict=True))
    found = [by_name["GM"], by_name["WM"], by_name["CSF"]]
    np.testing.assert_allclose(found, [grey, white, fluid], atol=0.0015)


@pytest.mark.parametrize(
    ("table", "milliseconds"), [(BRAINWEB_1_5T, 1701), (ASLDRO_3T, 1928)]
)
def test_flair_nulls_fluid_at_the_known_inversion_time(table, milliseconds):
    time = nulling_time(table["CSF"].t1, tr=9000, te=120)

    assert time == pytest.approx(milliseconds, abs=1)
    signal = inversion_recovery(table["CSF"], tr=9000, te=120, ti=time)
    assert signal == pytest.approx(0, abs=1e-9)


def test_spin_echo_of_a_simple_tissue_by_hand():
    # TR = T1 ln 4, TE = 0: 1 - 2/4 + 1/4 = 3/4.
    tissue = Tissue(t1=1000, t2=100, t2star=50, pd=0.8)
    assert spin_echo(tissue, tr=1000 * np.log(4), te=0) == pytest.approx(0.8 * 0.75)


def test_gradient_echo_peaks_at_the_ernst_angle():
    tissue = Tissue(t1=1000, t2=100, t2star=50, pd=1)
    ernst = np.degrees(np.arccos(np.exp(-20 / 1000)))
    at = [
        spoiled_gradient_echo(tissue, tr=20, te=4, flip=ernst + d) for d in (-3, 0, 3)
    ]

    assert at[1] == max(at)
    e1 = np.exp(-0.02)
    by_hand = np.sqrt((1 - e1) / (1 + e1)) * np.exp(-4 / 50)
    assert at[1] == pytest.approx(by_hand)


def test_every_random_scanner_keeps_the_order_of_the_tissues():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        signals = {
            m: dict(
                zip(
                    TISSUES,
                    random_sequence(m, ASLDRO_3T, rng).signals(ASLDRO_3T),
                    strict=True,
                )
            )
            for m in ("T1", "T2", "FLAIR")
        }
        assert signals["T1"]["WM"] > signals["T1"]["GM"] > signals["T1"]["CSF"]
        assert signals["T2"]["CSF"] > signals["T2"]["GM"] > signals["T2"]["WM"]
        assert signals["FLAIR"]["lesion"] > signals["FLAIR"]["WM"]
        assert signals["FLAIR"]["CSF"] < 0.2 * signals["FLAIR"]["WM"]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="kind must be one of"):
        Sequence("echo planar", 1000, 10)
    with pytest.raises(ValueError, match="T1, T2, PD or FLAIR"):
        standard_sequence("CT", ASLDRO_3T)
