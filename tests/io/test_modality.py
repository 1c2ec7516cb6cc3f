"""The guess of a modality from names and tags."""

from __future__ import annotations

import pytest

from napari_medsynth.io import MODALITIES, guess_modality
from napari_medsynth.io.modality import has_mr_attributes, modalities_in

NAMES = {
    "T1": "T1",
    "T1W": "T1",
    "sub-01_ses-2_T1w": "T1",
    "T1-weighted": "T1",
    "avg152T1": "T1",
    "headT1": "T1",
    "T1Brain": "T1",
    "001t1": "T1",
    "MPRAGE": "T1",
    "t1_mprage_sag_p2_iso": "T1",
    "T1_FLAIR": "T1",
    "T1 pre contrast": "T1",
    "BraTS-GLI-00000-000-t1n": "T1",
    "T1 tête \u2013 脑 (copy)": "T1",
    "T1ce": "T1ce",
    "t1gd": "T1ce",
    "t1 post contrast": "T1ce",
    "BraTS-GLI-00000-000-t1c": "T1ce",
    "sub-01_ce-gadolinium_T1w": "T1ce",
    "brain_t2_001": "T2",
    "T2W_TSE": "T2",
    "BraTS-GLI-00000-000-t2w": "T2",
    "PDw": "PD",
    "avg152PD": "PD",
    "flair": "FLAIR",
    "ax T2 FLAIR": "FLAIR",
    "BraTS-GLI-00000-000-t2f": "FLAIR",
    "FLAIR (synthetic: starter)": "FLAIR",
    "T2star": "T2star",
    "T2*": "T2star",
    "sub-01_T2starw": "T2star",
    "sct_t2s": "T2star",
    "dwi_b1000": "DWI",
    "adc_map": "ADC",
    "CT": "CT",
    "CT1": "CT",
    "scct_CT": "CT",
    "PET": "PET",
    "chest_xray": "CXR",
}


@pytest.mark.parametrize(("name", "modality"), NAMES.items())
def test_name_tells_modality(name, modality):
    assert guess_modality(name) == modality
    assert modality in MODALITIES


@pytest.mark.parametrize(
    "name",
    ["patient1", "PATIENT1", "T12", "doctor", "object", "petrol", "spd", "structure"],
)
def test_word_that_only_contains_the_letters_tells_nothing(name):
    assert guess_modality(name) == ""


@pytest.mark.parametrize(
    ("tags", "modality"),
    [
        ({"Modality": "CT"}, "CT"),
        ({"Modality": "PT"}, "PET"),
        ({"Modality": "DX"}, "CXR"),
        ({"Modality": "CT", "EchoTime": 90, "RepetitionTime": 4000}, "T2"),
        (
            {"SeriesDescription": "Ax FLAIR", "EchoTime": 5, "RepetitionTime": 9},
            "FLAIR",
        ),
        ({"SeriesDescription": "t1_se", "ContrastBolusAgent": "Dotarem"}, "T1ce"),
        ({"EchoTime": 12, "RepetitionTime": 500, "ScanningSequence": "SE"}, "T1"),
        ({"EchoTime": 15, "RepetitionTime": 3000, "ScanningSequence": "SE"}, "PD"),
        ({"EchoTime": 3, "RepetitionTime": 8, "ScanningSequence": "GR"}, "T1"),
        ({"EchoTime": 25, "RepetitionTime": 600, "ScanningSequence": "GR"}, "T2star"),
        ({"EchoTime": 120, "RepetitionTime": 9000, "InversionTime": 2500}, "FLAIR"),
        ({"EchoTime": 30, "RepetitionTime": 2000, "ScanningSequence": "EP"}, ""),
        ({"EchoTime": "broken", "RepetitionTime": None}, ""),
    ],
)
def test_tags_tell_modality(tags, modality):
    assert guess_modality("", tags) == modality


def test_tags_win_over_the_name():
    assert guess_modality("T2", {"SeriesDescription": "T1 MPRAGE"}) == "T1"


def test_name_with_several_contrasts_lists_them_in_order():
    assert modalities_in("4d_t1_t2_flair") == ["T1", "T2", "FLAIR"]


def test_only_mr_images_have_echo_times():
    assert has_mr_attributes({"EchoTime": 3})
    assert not has_mr_attributes({"EchoTime": None, "KVP": 120})
