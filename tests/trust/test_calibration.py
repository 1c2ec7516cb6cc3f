"""Calibrations are kept by model and purpose."""

from dataclasses import replace

import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.trust.calibration import (
    Calibration,
    load_calibration,
    percent,
    save_calibration,
)
from napari_medsynth.trust.site import load_record, save_record

FACTS = {
    "target": "FLAIR",
    "sources": ["T1", "T2"],
    "method": "augmentation",
    "plane": "axial",
}
KNOWN = Calibration(2.5, 0.9, 0.8, 0.91, 0.8, 12, True, facts=FACTS)


def load(card, target="FLAIR", sources=("T1", "T2"), **others):
    others = {"method": "augmentation", **others}
    return load_calibration(card, target, sources=sources, **others)


def test_what_was_saved_is_loaded_whatever_the_order_of_the_sources(card, home):
    save_calibration(card, KNOWN)

    assert load(card) == KNOWN
    assert load(card, sources=("T2", "T1")) == KNOWN


@pytest.mark.parametrize(
    "other",
    [
        {"target": "PD"},
        {"sources": ("T1",)},
        {"method": "dropout"},
        {"plane": "coronal"},
    ],
    ids=str,
)
def test_calibration_for_another_purpose_is_not_used(card, home, other):
    save_calibration(card, KNOWN)

    assert load(card, **other) is None


def test_other_weights_have_no_calibration(card, home):
    save_calibration(card, KNOWN)

    assert load(replace(card, sha256="f" * 64)) is None


def test_newer_calibration_replaces_the_older_one_and_nothing_else(card, home):
    other = replace(KNOWN, facts={**FACTS, "method": "dropout"})
    save_record(card, "self_test", {"rows": []})
    save_calibration(card, other)
    save_calibration(card, KNOWN)
    save_calibration(card, replace(KNOWN, factor=3.0))

    assert load(card).factor == 3.0
    assert load(card, method="dropout") == other
    assert load_record(card, "self_test") == {"rows": []}


def test_damaged_calibration_is_told_in_one_sentence():
    with pytest.raises(CardError, match=r"A calibration is damaged .*: repeat it"):
        Calibration.from_json({"factor": 1})


@pytest.mark.parametrize(
    ("share", "text"), [(0.9, "90 %"), (0.954, "95.4 %"), (None, "?")]
)
def test_shares_are_written_as_people_do(share, text):
    assert percent(share) == text
