import json

import numpy as np
import pytest

from napari_medsynth.training.guard.stats import Interval
from napari_medsynth.training.guard.verdict import (
    Comparison,
    Verdict,
    decide,
    has_forgotten,
    reach_verdict,
)

ROW = {
    "subject": "ann",
    "available": "T1+T2",
    "target": "FLAIR",
    "psnr": 21.0,
    "ssim": 0.9,
    "mae": 0.05,
    "base_psnr": 20.0,
    "base_ssim": 0.88,
    "base_mae": 0.06,
    "n_slices": 24,
}


def interval(low, high, n=5):
    return Interval((low + high) / 2, low, high, n, "subjects")


def comparison(psnr, ssim=(), mae=(), n_slices=2):
    """Subjects whose slices all have one difference."""
    many = {"psnr": psnr, "ssim": ssim or psnr, "mae": mae or [-x for x in psnr]}
    differences = {m: [np.full(n_slices, x) for x in v] for m, v in many.items()}
    return Comparison(
        [{**ROW, "subject": str(i)} for i in range(len(psnr))], differences
    )


NOTHING = Comparison()


@pytest.mark.parametrize(
    ("psnr", "ssim", "mae", "verdict"),
    [
        ((0.1, 2.0), (0.01, 0.02), (-0.02, -0.01), "better"),
        ((0.1, 2.0), (-0.01, 0.02), (-0.02, 0.01), "better"),
        ((-0.1, 2.0), (0.01, 0.02), (-0.02, -0.01), "not distinguishable"),
        ((0.0, 2.0), (0.01, 0.02), (-0.02, -0.01), "not distinguishable"),
        ((0.1, 2.0), (-0.02, -0.01), (-0.02, -0.01), "not distinguishable"),
        ((0.1, 2.0), (0.01, 0.02), (0.01, 0.02), "not distinguishable"),
        ((-2.0, -0.1), (0.01, 0.02), (-0.02, -0.01), "worse"),
        ((-2.0, 0.0), (-0.02, -0.01), (0.01, 0.02), "not distinguishable"),
        ((0.01, 0.03), (0.01, 0.02), (-0.02, -0.01), "not distinguishable"),
        ((-0.03, -0.01), (-0.02, -0.01), (0.01, 0.02), "not distinguishable"),
    ],
)
def test_decision_follows_its_rule(psnr, ssim, mae, verdict):
    measures = {"psnr": psnr, "ssim": ssim, "mae": mae}

    assert decide({m: interval(*ends) for m, ends in measures.items()}) == verdict


def test_without_an_interval_nothing_is_distinguishable():
    assert decide({"psnr": Interval(3.0, None, None, 1, "slices")}) == (
        "not distinguishable"
    )
    assert decide({}) == "not distinguishable"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-3.0, -1.0, True), (-1.5, -0.4, False), (-4.0, 0.5, False), (1.0, 3.0, False)],
)
def test_forgotten_is_more_than_one_decibel_with_an_interval_below_zero(
    low, high, expected
):
    assert has_forgotten({"psnr": interval(low, high)}) is expected


def test_three_subjects_that_agree_make_a_verdict_that_is_not_weak():
    verdict = reach_verdict(comparison([1.0, 1.5, 2.0]), NOTHING)

    assert verdict.verdict == "better"
    assert not verdict.is_weak
    assert verdict.warnings == ()
    assert verdict.sentence.startswith(
        "Better than the base model on 3 held-out subjects: PSNR +1.50 dB "
        "(95 % interval +1.00 to +2.00), SSIM +1.500, MAE -1.500."
    )


@pytest.mark.parametrize(("n", "text"), [(1, "1 held-out subject "), (2, "2 held-out")])
def test_fewer_than_three_subjects_are_a_weak_verdict_that_says_so(n, text):
    held_out = Comparison(
        [ROW], {m: [np.array([0.9, 1.0, 1.1])] * n for m in ("psnr", "ssim")}
    )

    verdict = reach_verdict(held_out, NOTHING)

    assert verdict.verdict == "better"
    assert verdict.is_weak
    assert verdict.differences["psnr"].of == "slices"
    assert "The verdict is weak" in verdict.sentence
    assert text in verdict.warnings[0]
    assert "hold out 3 or more" in verdict.sentence


def test_nobody_held_out_is_not_distinguishable_and_weak():
    verdict = reach_verdict(NOTHING, NOTHING)

    assert (verdict.verdict, verdict.is_weak) == ("not distinguishable", True)
    assert "no subject was held out" in verdict.sentence
    assert verdict.n_subjects == 0


def test_contradiction_is_told():
    verdict = reach_verdict(comparison([1.0, 1.2, 1.4], [-0.1, -0.2, -0.3]), NOTHING)

    assert verdict.verdict == "not distinguishable"
    assert "PSNR is better, but SSIM contradicts." in verdict.sentence


def test_forgetting_warns_but_leaves_the_local_verdict():
    own_task = Comparison([ROW], {"psnr": [np.array([-2.0, -3.0, -2.5])]})

    verdict = reach_verdict(comparison([1.0, 1.5, 2.0]), own_task)

    assert verdict.verdict == "better"
    assert verdict.has_forgotten
    assert verdict.forgetting["psnr"].mean == -2.5
    assert "Warning: the base model's own task" in verdict.sentence
    assert "-2.5 dB" in verdict.warnings[0]


def test_a_small_loss_on_the_own_task_is_shown_without_a_warning():
    own_task = Comparison([ROW], {"psnr": [np.array([-0.5, -0.6])]})

    verdict = reach_verdict(comparison([1.0, 1.5, 2.0]), own_task)

    assert not verdict.has_forgotten
    assert verdict.forgetting_rows == (ROW,)
    assert "Warning" not in verdict.sentence


def test_sentence_and_warnings_name_nobody():
    verdict = reach_verdict(comparison([1.0]), comparison([-3.0]), notes=["ann: no"])

    assert "ann" not in " ".join([verdict.sentence, *verdict.warnings])


def test_verdict_survives_json():
    own_task = Comparison([ROW], {"psnr": [np.array([-2.0, -3.0])]})
    verdict = reach_verdict(comparison([1.0, 2.0]), own_task, notes=["a note"])

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_what_cannot_be_seen_is_said_to_be_so():
    verdict = reach_verdict(comparison([0.01, 0.012, 0.011, 0.013]), NOTHING)

    assert verdict.verdict == "not distinguishable"
    assert "Less than 0.05 dB cannot be seen." in verdict.sentence
    assert "contradicts" not in verdict.sentence
