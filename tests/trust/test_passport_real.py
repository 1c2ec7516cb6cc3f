"""The starter's features: contrasts and skulls of scans, learned from and not."""

from __future__ import annotations

import pytest

from napari_medsynth.catalogue import get_card
from napari_medsynth.io import Study, read_study
from napari_medsynth.prepare import look_at
from napari_medsynth.prepare.features import known_modalities, likeness
from napari_medsynth.simulate import MODALITIES, simulate_study
from napari_medsynth.trust.checks import SUSPICIOUS
from napari_medsynth.trust.passport import inspect

LESJAK = {m: f"ms_lesjak_p07/{m}.nii.gz" for m in ("T1", "T2", "FLAIR")}
STROKE = {m: f"stroke_cstar/{m}.nii.gz" for m in ("T1", "T2", "FLAIR")}
NATIVE = {
    m: f"ms_longitudinal_p04_native/{m}{end}.nii.gz"
    for m, end in (("T1", "W"), ("T2", "W"), ("FLAIR", ""))
}
# Averages of 152 heads are smoother than any scan: T1 is taken for a PD.
TEMPLATES = {m: f"templates_2mm/avg152{m}.nii.gz" for m in ("T2", "PD")}


def read(shared, files) -> Study:
    return read_study({m: shared / "data" / "brain" / f for m, f in files.items()})


@pytest.fixture(scope="module")
def card():
    return get_card("resvit-starter")


def test_card_knows_what_its_training_scans_look_like(card):
    assert known_modalities(card.features) == MODALITIES
    counts = {m: k["n_subjects"] for m, k in card.features["modalities"].items()}
    assert counts == {"T1": 129, "T2": 129, "PD": 128, "FLAIR": 129}
    assert all(k["with_skull"] == 0 for k in card.features["modalities"].values())


def test_contrasts_of_a_subject_it_never_saw_are_recognised(card):
    for modality, volume in simulate_study(900_001).volumes.items():
        look = look_at(volume)

        assert next(iter(likeness(look.features, card.features))) == modality
        assert not look.has_skull


@pytest.mark.parametrize("files", [LESJAK, STROKE, NATIVE, TEMPLATES])
def test_no_real_scan_is_taken_for_another_contrast(card, shared, files):
    for modality, volume in read(shared, files).volumes.items():
        near = likeness(look_at(volume).features, card.features)

        assert near[modality] / min(near.values()) < SUSPICIOUS, (modality, near)


@pytest.mark.parametrize(
    ("files", "has_skull"),
    [(LESJAK, False), (STROKE, False), (NATIVE, True), (TEMPLATES, True)],
)
def test_skulls_of_real_scans_are_found(card, shared, files, has_skull):
    for volume in read(shared, files).volumes.values():
        assert look_at(volume).has_skull is has_skull


@pytest.mark.parametrize("other", ["T1", "FLAIR"])
def test_exchanged_real_scans_are_noticed(card, shared, other):
    study = read(shared, LESJAK)
    exchanged = Study({other: study["T2"], "T2": study[other]})

    passport = inspect(exchanged, card, exchanged.modalities)

    fixes = {(c.modality, c.fix, c.other) for c in passport.checks if c.fix}
    assert fixes == {(other, "swap", "T2"), ("T2", "swap", other)}
