"""Local subjects in a folder or on the screen: the jobs, with the starter model."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_medsynth.catalogue import get_card
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import write_volume
from napari_medsynth.trust.calibration import load_calibration
from napari_medsynth.trust.self_test import self_test
from napari_medsynth.trust.site import load_self_test
from napari_medsynth.widgets._self_test_jobs import (
    Place,
    SelfTestTask,
    calibrate,
    forget,
    run_self_test,
)
from napari_medsynth.widgets._uncertainty_jobs import VariantSettings
from napari_medsynth.widgets.parts.options_box import RunOptions


@pytest.fixture
def card():
    return get_card("starter")


@pytest.fixture
def folder(study, tmp_path, rng):
    """Three subjects; the last lacks FLAIR."""
    for name in ("a", "b", "c"):
        for modality, volume in study.volumes.items():
            noise = rng.normal(0, 20, volume.data.shape).astype(np.float32)
            if (name, modality) != ("c", "FLAIR"):
                noisy = volume.with_data(np.maximum(volume.data + noise, 0))
                write_volume(noisy, tmp_path / "cohort" / name / f"{modality}.nii.gz")
    return tmp_path / "cohort"


def last_of(generator):
    steps = []
    while True:
        try:
            steps.append(next(generator))
        except StopIteration as stop:
            return stop.value, steps


def open_place(study):
    return Place(layers={m: lambda m=m: study[m] for m in study.modalities})


def task_of(card, place):
    return SelfTestTask(card, place, "leave one out", 2, "axial", "cpu")


def request_of(card, study, targets=("FLAIR",)):
    return SimpleNamespace(
        card=card,
        targets=targets,
        study=SimpleNamespace(modalities=("T1", "T2")),
        options=RunOptions(device="cpu"),
    )


def test_subjects_of_a_folder_are_found_and_read_when_asked(folder, card):
    subjects = Place(str(folder)).subjects(card)

    assert [s.name for s in subjects] == ["a", "b", "c"]
    assert "FLAIR" in subjects[0].contrasts and "FLAIR" not in subjects[2].contrasts
    assert subjects[0].read(["T2", "PD"]).modalities == ("T2", "PD")


def test_open_layers_are_one_subject_of_the_chosen_contrasts(study, card):
    wrong = study["T1"].with_data(study["T1"].data, modality="T2")
    place = Place(layers={"T1": lambda: wrong})

    (subject,) = place.subjects(card)

    assert subject.read(["T1"])["T1"].modality == "T1"


def test_self_test_is_that_of_the_core_and_is_kept(study, card):
    found, steps = last_of(run_self_test(task_of(card, open_place(study))))

    core, _ = last_of(self_test([("s", lambda: study)], card, slices=2, device="cpu"))
    assert [(r.target, r.psnr) for r in found.rows] == [
        (r.target, pytest.approx(r.psnr)) for r in core.rows
    ]
    assert len(found.rows) == 4 and found.n_subjects == 1
    assert load_self_test(card) == found
    shares = [step.share for step in steps if step is not None]
    assert shares == sorted(shares) and shares[-1] == 1


def test_subjects_of_a_folder_are_tested_and_later_ones_added(folder, study, card):
    found, _ = last_of(run_self_test(task_of(card, Place(str(folder)))))
    assert found.n_subjects == 3
    assert len([r for r in found.rows if r.target == "FLAIR"]) == 2

    more, _ = last_of(run_self_test(task_of(card, open_place(study))))

    assert more.n_subjects == 4
    last_of(forget(card))
    assert load_self_test(card) is None


def test_a_folder_without_subjects_says_so(tmp_path, card):
    (tmp_path / "none").mkdir()
    with pytest.raises(VolumeError, match="No subject with two"):
        last_of(run_self_test(task_of(card, Place(str(tmp_path / "none")))))


def test_calibration_is_kept_for_what_it_was_measured_on(folder, study, card):
    settings = VariantSettings(n=2)
    request = request_of(card, study)

    found, steps = last_of(calibrate(request, settings, Place(str(folder)), 2))

    (made,) = found.calibrations
    assert made.n_patients == 2 and not made.is_valid
    assert found.problems == ("c: it lacks FLAIR.",)
    known = load_calibration(card, "FLAIR", sources=("T2", "T1"), method="augmentation")
    assert known.factor == made.factor and known.facts["variants"] == 2
    assert settings.calibration_of(request, "FLAIR") == known
    assert settings.calibration_of(request, "PD") is None
    other = VariantSettings("ensemble", 2, (replace(card, sha256="d" * 64),))
    assert other.calibration_of(request, "FLAIR") is None
    assert any(s.sentence.startswith("b: FLAIR of T1, T2") for s in steps if s)


def test_what_is_stopped_before_the_end_is_not_kept(study, card):
    job = run_self_test(task_of(card, open_place(study)))
    assert [next(job), next(job)] == [None, None]  # loading, looking for subjects
    while (step := next(job)) is not None:
        last = step
    assert last.share == 1  # all is measured, but not yet kept
    job.close()
    assert load_self_test(card) is None
