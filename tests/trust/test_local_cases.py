"""Calibration on local subjects, on a model whose error is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Study
from napari_medsynth.trust.conformal import calibrate, case_of
from napari_medsynth.trust.local_cases import (
    LocalSubject,
    calibrate_on,
    share_of,
)
from napari_medsynth.trust.uncertainty import uncertainty

from .conftest import CONTRASTS, Mixer

OPTIONS = {"targets": ["FLAIR"], "sources": ["T1", "T2"], "n": 3, "step": 1}


@pytest.fixture
def network(card):
    """FLAIR is half T1 and half T2; PD is T1."""
    weights = np.zeros((4, 4))
    weights[3, :2] = 0.5
    weights[2, 0] = 1
    return SliceNetwork(card, model=Mixer(weights), device="cpu", precision="fp32")


def subject_of(study, name, contrasts=CONTRASTS, person=""):
    def read(wanted):
        return Study({m: study[m] for m in wanted})

    return LocalSubject(name, contrasts, read, person)


@pytest.fixture
def subjects(quad, rng):
    def one(number):
        data = rng.uniform(100, 900, (1, 3, 18, 14)).astype(np.float32)
        array = np.zeros((1, 3, 24, 20), np.float32)
        array[:, :, 3:-3, 3:-3] = data
        changed = dict(quad.volumes) | {"FLAIR": quad["FLAIR"].with_data(array)}
        return subject_of(Study(changed), f"s{number}")

    return [one(number) for number in range(4)]


def test_it_is_calibrate_over_the_uncertainty_of_each_subject(
    network, subjects, card, last_of
):
    found, steps = last_of(calibrate_on(subjects, [network], **OPTIONS))

    cases = []
    for subject in subjects:
        study = subject.read(CONTRASTS)
        shown = Study({m: study[m] for m in ("T1", "T2")})
        prepared = prepare_study(shown, card, targets=["FLAIR"])
        made, _ = last_of(uncertainty(prepared, [network], n=3))
        truth = study["FLAIR"]
        cases.append(case_of(prepared, made, "FLAIR", truth, patient=subject.name))
    long_way = calibrate(cases)
    (short,) = found.calibrations
    assert short.factor == long_way.factor > 0
    assert short.observed_coverage == long_way.observed_coverage
    assert short.n_patients == 4 and not found.problems
    assert short.purpose == "FLAIR of T1, T2 by augmentation, axial"
    assert short.facts["variants"] == 3
    shares = [step.share for step in steps]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert steps[-1].sentence == "s3: FLAIR of T1, T2"


def test_each_target_is_calibrated_on_the_subjects_that_have_it(
    network, subjects, last_of
):
    half = [
        *subjects[:2],
        *(subject_of(s.read(CONTRASTS), s.name, CONTRASTS[:3]) for s in subjects[2:]),
    ]

    options = OPTIONS | {"targets": ["PD", "FLAIR"]}
    found, _ = last_of(calibrate_on(half, [network], **options))

    counts = {c.facts["target"]: c.n_patients for c in found.calibrations}
    assert counts == {"PD": 4, "FLAIR": 2}
    alone, _ = last_of(calibrate_on(subjects[:2], [network], **OPTIONS))
    flair = found.calibrations[1]
    assert_allclose(flair.factor, alone.calibrations[0].factor, rtol=1e-6)


def test_who_lacks_a_contrast_or_cannot_be_read_is_named(network, subjects, last_of):
    def broken(wanted):
        raise VolumeError("the file is damaged.")

    others = [
        subject_of(subjects[0].read(CONTRASTS), "poor", ("T1", "FLAIR")),
        LocalSubject("broken", CONTRASTS, broken),
    ]

    found, _ = last_of(calibrate_on([subjects[0], *others], [network], **OPTIONS))

    assert found.calibrations[0].n_patients == 1
    assert found.problems == (
        "poor: it lacks T2.",
        "broken: the file is damaged.",
    )
    with pytest.raises(VolumeError, match=r"No subject can be used.*poor: it lacks T2"):
        last_of(calibrate_on(others, [network], **OPTIONS))


def test_sessions_of_one_person_count_once(network, subjects, last_of):
    studies = [subject.read(CONTRASTS) for subject in subjects[:2]]
    sessions = [subject_of(s, f"ses{i}", person="p") for i, s in enumerate(studies)]

    found, _ = last_of(calibrate_on(sessions, [network], **OPTIONS))

    assert found.calibrations[0].n_patients == 1


def test_what_the_model_cannot_make_is_refused(network, subjects, last_of):
    with pytest.raises(CardError):
        last_of(calibrate_on(subjects, [network], **OPTIONS | {"targets": ["CT"]}))


def test_share_never_goes_back_and_ends_with_all(network, quad, card, last_of):
    prepared = prepare_study(quad, card, targets=["FLAIR"], sources=["T1", "T2"])
    _, steps = last_of(uncertainty(prepared, [network], n=4, slices_at_once=4))

    shares = [share_of(step) for step in steps]

    assert shares == sorted(shares) and shares[-1] == 1
    assert shares[:4] == [0, 0.25, 0.5, 0.75]
