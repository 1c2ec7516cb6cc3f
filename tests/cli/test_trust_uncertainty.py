"""medsynth trust uncertainty, medsynth trust calibrate."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_medsynth.catalogue import write_pack
from napari_medsynth.io import read_volume, write_volume
from napari_medsynth.trust.calibration import load_calibration

FAST = ("-m", "tiny", "-n", "2", "--device", "cpu")


@pytest.fixture
def cohort(tmp_path, study):
    """Three subjects, one of them without PD."""
    folder = tmp_path / "cohort"
    for number in range(3):
        for modality, volume in study.volumes.items():
            if (number, modality) != (2, "PD"):
                louder = volume.with_data(volume.data * np.float32(1 + 0.1 * number))
                path = folder / f"subject-{number}" / f"{modality}.nii.gz"
                write_volume(louder, path)
    return folder


def run(medsynth, scans, out, *more):
    return medsynth("trust", "uncertainty", "-i", scans, "-o", out, *FAST, *more)


def test_mean_and_spread_are_written_and_need_calibration_to_mean_more(
    medsynth, tiny, scans, tmp_path
):
    done = run(medsynth, scans, tmp_path / "out", "-t", "FLAIR")

    names = ["FLAIR_mean-tiny.nii.gz", "FLAIR_spread-tiny.nii.gz"]
    assert done.out.splitlines() == [str(tmp_path / "out" / name) for name in names]
    mean, spread = (read_volume(tmp_path / "out" / name) for name in names)
    assert mean.is_synthetic and spread.is_synthetic
    assert spread.data.max() > 0 and spread.data.min() >= 0
    assert mean.modality == "FLAIR" and mean.shape == spread.shape
    assert spread.metadata["provenance"]["uncertainty"]["variants"] == 2
    assert "which is not the error" in done.err
    assert "medsynth trust calibrate first" in done.err


def test_calibration_is_measured_kept_and_used(medsynth, tiny, cohort, scans, tmp_path):
    words = ("calibrate", cohort, "-t", "FLAIR", "--source", "T1", "T2", "PD")
    done = medsynth("trust", *words, *FAST, "--step", 2)

    assert done.code == 0, done.err
    assert done.out.startswith("No guarantee: 2 patients are too few")
    assert "subject-2 is left out: it lacks a contrast" in done.err
    known = load_calibration(
        tiny.card, "FLAIR", sources=("T1", "T2", "PD"), method="augmentation"
    )
    assert known.n_patients == 2 and not known.is_valid

    out = tmp_path / "out"
    more = ("-t", "FLAIR", "--limit", "0.05", "--json")
    report = run(medsynth, scans, out, *more).json
    facts = report["targets"]["FLAIR"]
    spread = read_volume(out / "FLAIR_spread-tiny.nii.gz").data
    wide = read_volume(out / "FLAIR_half-width-tiny.nii.gz").data
    mask = read_volume(out / "FLAIR_do-not-trust-tiny.nii.gz").data
    data_range = float((wide / known.factor - spread).mean() / known.floor)
    expected = known.factor * (spread + known.floor * data_range)
    assert_allclose(wide, expected, rtol=1e-3)
    assert_array_equal(np.unique(mask), [0, 1])
    assert mask[wide < 0.049 * data_range].max(initial=0) == 0
    assert facts["calibration"]["n_patients"] == 2
    assert facts["statement"] == known.statement
    assert 0 < facts["untrusted_share"] <= 1
    assert len(report["paths"]) == 4


def test_sources_are_those_that_every_subject_has(medsynth, tiny, cohort):
    done = medsynth(
        "trust", "calibrate", cohort, "-t", "FLAIR", *FAST, "--step", 3, "--json"
    )

    assert done.json["facts"]["sources"] == ["T1", "T2"]
    assert done.json["n_patients"] == 3
    assert done.json["facts"]["variants"] == 2


def test_calibration_of_an_ensemble_is_for_its_members(
    medsynth, tiny, tiny_card, tiny_weights, home, cohort
):
    other = {key: -value for key, value in tiny_weights.items()}
    twin = replace(tiny_card, id="twin", title="Twin")
    pack = write_pack(home / "models" / "twin.safetensors", twin, other)

    done = medsynth(
        *("trust", "calibrate", cohort, "-t", "FLAIR", "-m", "tiny", "twin"),
        *("--step", 3, "--device", "cpu", "--json"),
    )

    hashes = sorted(card.sha256[:12] for card in (tiny.card, pack.card))
    method = f"ensemble of {' '.join(hashes)}"
    assert done.json["facts"]["method"] == method
    assert done.json["facts"]["variants"] == 2
    known = load_calibration(tiny.card, "FLAIR", sources=("T1", "T2"), method=method)
    assert known is not None
    assert done.json["factor"] == known.factor


def test_nothing_is_replaced_without_overwrite(medsynth, tiny, scans, tmp_path):
    plain = ("synthesize", "-i", scans, "-o", tmp_path / "out", "-m", "tiny")
    assert medsynth(*plain, "--device", "cpu").code == 0  # is not in the way
    assert run(medsynth, scans, tmp_path / "out", "-t", "FLAIR").code == 0

    again = run(medsynth, scans, tmp_path / "out", "-t", "FLAIR")
    assert again.code == 1 and "give --overwrite to replace it" in again.err
    forced = run(medsynth, scans, tmp_path / "out", "-t", "FLAIR", "--overwrite")
    assert forced.code == 0


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--method", "dropout"), ""),
        (("--method", "ensemble"), "ensemble needs two models or more, got 1"),
    ],
)
def test_method_and_models_must_fit(medsynth, tiny, scans, tmp_path, more, reason):
    done = run(medsynth, scans, tmp_path / "out", "-t", "FLAIR", *more)

    assert done.code == (1 if reason else 0), done.err
    assert reason in done.err


def test_subjects_without_the_contrasts_are_refused(medsynth, tiny, cohort):
    for one in cohort.glob("*/FLAIR.nii.gz"):
        one.unlink()

    done = medsynth("trust", "calibrate", cohort, "-t", "FLAIR", *FAST)

    assert done.code == 1
    assert "calibration needs subjects with all of them" in done.err
