"""What "How sure?" says."""

from dataclasses import replace

import numpy as np

from napari_medsynth.trust.calibration import Calibration
from napari_medsynth.widgets._uncertainty_maps import TargetMaps
from napari_medsynth.widgets._uncertainty_words import (
    calibration_sentence,
    marked_sentence,
)

FACTS = {"variants": 8, "date": "2026-11-20"}
KNOWN = Calibration(3.0, 0.9, 0.9, 0.93, 0.84, 12, True, facts=FACTS)


def test_without_a_calibration_it_says_that_spread_is_not_error():
    sentence = calibration_sentence("FLAIR", None, 8)
    assert "not calibrated here" in sentence
    assert "9 patients or more" in sentence


def test_the_promise_and_the_observed_coverage_are_told():
    sentence = calibration_sentence("FLAIR", KNOWN, 8)
    assert sentence.startswith("FLAIR: For 90 % of new patients like the 12")
    assert "93 % of the voxels" in sentence
    assert sentence.endswith("Calibrated on 2026-11-20.")


def test_too_few_patients_are_told():
    few = replace(KNOWN, n_patients=3, is_valid=False)
    assert "No guarantee: 3 patients are too few" in calibration_sentence("PD", few, 8)


def test_another_number_of_variants_is_told():
    assert "with 8 variants, not 4" in calibration_sentence("FLAIR", KNOWN, 4)


def test_what_is_marked_is_the_error_only_if_calibrated():
    maps = TargetMaps(np.ones((2, 3, 4), bool), 0, 0, 10)
    shape = (1, 3, 4)
    maps.fill((1,), np.zeros(shape), np.full(shape, 0.5, np.float32), 0.2)

    plain = marked_sentence("FLAIR", maps, 0.25, 0.05).replace("\xa0", " ")
    maps.calibrate(KNOWN)
    calibrated = marked_sentence("FLAIR", maps, 0.25, 0.2).replace("\xa0", " ")

    assert plain == (
        "FLAIR, head on 1 slice: the syntheses differ by 5.0 % of the range on "
        "average, 25.0 % of it by more than 5 %."
    )
    assert "Do not trust 25.0 % of it" in calibrated
    assert calibrated.endswith("further away than 20 % of the range.")
