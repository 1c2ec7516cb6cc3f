"""The self-test, for models that are known to be right or wrong."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from napari_medsynth.engine import fit_normalisation
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Study
from napari_medsynth.trust.self_test import fingerprint, self_test

from .conftest import Mixer

COPY_T1 = [[1, 0, 0, 0]] * 4


def rows_by_mask(test):
    return {(row.sources, row.target): row for row in test.rows}


def subject(study):
    return study.subject, lambda: study


@pytest.fixture
def twins(quad):
    """FLAIR is T1 in another unit; T2 and PD are something else."""
    flair = quad["FLAIR"].with_data(3 * quad["T1"].data + 7)
    return Study({**quad.volumes, "FLAIR": flair}, subject="Jane Doe")


def test_each_contrast_is_hidden_and_made_of_the_others(twins, card, last_of):
    test, steps = last_of(self_test([subject(twins)], card, model=Mixer(COPY_T1)))

    rows = rows_by_mask(test)
    assert set(rows) == {
        (("T2", "PD", "FLAIR"), "T1"),
        (("T1", "PD", "FLAIR"), "T2"),
        (("T1", "T2", "FLAIR"), "PD"),
        (("T1", "T2", "PD"), "FLAIR"),
    }
    exact = rows[("T1", "T2", "PD"), "FLAIR"]
    assert exact.psnr > 60
    assert exact.ssim == pytest.approx(1, abs=1e-3)
    assert exact.mae == pytest.approx(0, abs=1e-3)
    assert rows[("T1", "PD", "FLAIR"), "T2"].psnr < 15
    assert (exact.plane, exact.n_slices) == ("axial", 3)
    assert (test.model, test.sha256) == (card.id, card.sha256)
    assert steps[-1].share == pytest.approx(1)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert sum((step.rows for step in steps), ()) == test.rows


def test_numbers_are_those_of_scikit_image(quad, card, last_of):
    test, _ = last_of(self_test([subject(quad)], card, model=Mixer(COPY_T1)))

    def scaled(array):
        fit = fit_normalisation(array, {"kind": "percentile"})
        return (fit.forward(array) + 1) / 2

    a, b = scaled(quad["T1"].data), scaled(quad["T2"].data)
    inside = np.s_[:, :, 3:-3, 3:-3]
    expected = peak_signal_noise_ratio(b[inside], a[inside], data_range=1)
    row = rows_by_mask(test)[("T1", "PD", "FLAIR"), "T2"]
    assert row.psnr == pytest.approx(expected, abs=0.3)  # the edge of the foreground
    assert row.mae == pytest.approx(np.abs(a - b)[inside].mean(), rel=0.05)


def test_the_model_never_sees_what_it_is_to_make(twins, card, last_of):
    class Watch(Mixer):
        def forward(self, image):
            seen.append((image > -1).flatten(2).any(2).all(0).tolist())
            return super().forward(image)

    seen = []
    last_of(self_test([subject(twins)], card, model=Watch(COPY_T1)))

    hidden = {row.index(False) for row in seen}
    assert hidden == {0, 1, 2, 3}
    assert all(row.count(False) == 1 for row in seen)


def test_all_masks_are_all_subsets(quad, card, last_of):
    test, _ = last_of(
        self_test([subject(quad)], card, masks="all", slices=1, model=Mixer(COPY_T1))
    )

    expected = 4 * 3 + 6 * 2 + 4  # of one, two, three sources
    assert len(rows_by_mask(test)) == len(test.rows) == expected
    assert {row.n_slices for row in test.rows} == {1}


def test_planes_cut_other_slices(quad, card, last_of):
    cube = np.zeros((1, 16, 16, 16), np.float32)
    volumes = {}
    for i, m in enumerate(quad.modalities):
        cube[:, 2:-2, 2:-2, 2:-2] = np.random.default_rng(i).uniform(
            100, 900, (12, 12, 12)
        )
        volumes[m] = quad[m].with_data(cube.copy(), spacing=(1.0, 1.0, 1.0))
    study = Study(volumes)
    test, _ = last_of(
        self_test(
            [subject(study)], card, plane="sagittal", slices=5, model=Mixer(COPY_T1)
        )
    )

    assert {(row.plane, row.n_slices) for row in test.rows} == {("sagittal", 5)}


def test_subjects_are_told_apart_without_their_names(quad, twins, card, last_of):
    other = Study({m: v.with_data(v.data[..., ::-1]) for m, v in quad.volumes.items()})
    subjects = [("Jane Doe", lambda: twins), ("John", lambda: other)]

    test, _ = last_of(self_test(subjects, card, slices=1, model=Mixer(COPY_T1)))

    assert test.n_subjects == 2
    assert test.rows[0].subject == fingerprint(twins["T1"])
    assert "J" not in str(test.to_json()["rows"])


def test_subject_that_fails_is_named_and_the_others_go_on(quad, card, without, last_of):
    def broken():
        raise VolumeError("T1.nii cannot be read.")

    alone = without(quad, "T2", "PD", "FLAIR")
    subjects = [("first", broken), ("second", lambda: alone), subject(quad)]

    test, steps = last_of(self_test(subjects, card, slices=1, model=Mixer(COPY_T1)))

    assert test.n_subjects == 1
    assert test.problems[0] == "first: T1.nii cannot be read."
    assert "needs two real scans" in test.problems[1]
    assert steps[-1].share == pytest.approx(1)


def test_no_usable_subject_is_an_error(quad, card, without, last_of):
    alone = without(quad, "T2", "PD", "FLAIR")

    with pytest.raises(VolumeError, match=r"No subject can be used.*two real scans"):
        last_of(self_test([subject(alone)], card, model=Mixer(COPY_T1)))
    with pytest.raises(VolumeError, match="none was given"):
        last_of(self_test([], card, model=Mixer(COPY_T1)))


def test_synthetic_scans_are_no_truth(quad, card, last_of):
    fake = quad["FLAIR"].with_data(quad["FLAIR"].data, metadata={"synthetic": True})
    study = Study({**quad.volumes, "FLAIR": fake})

    test, _ = last_of(self_test([subject(study)], card, model=Mixer(COPY_T1)))

    assert {row.target for row in test.rows} == {"T1", "T2", "PD"}
    assert all("FLAIR" not in row.sources for row in test.rows)


def test_scans_on_other_grids_are_brought_to_one(quad, card, last_of):
    t2 = quad["T2"]
    moved = t2.with_data(t2.data[:, :, 1:], origin=(2.0, -2.0, 4.0))  # one row less
    study = Study({**quad.volumes, "T2": moved})

    test, _ = last_of(self_test([subject(study)], card, model=Mixer(COPY_T1)))

    assert len(test.rows) == 4


def test_model_of_fixed_sources_is_tested_on_them(quad, card, last_of):
    fixed = replace(card, inputs=("T1", "T2"), outputs=("FLAIR",), is_unified=False)

    test, _ = last_of(self_test([subject(quad)], fixed, model=Mixer([[1, 0]])))

    assert [(row.sources, row.target) for row in test.rows] == [(("T1", "T2"), "FLAIR")]


def test_unknown_masks_are_refused(quad, card):
    with pytest.raises(CardError, match="leave one out"):
        next(self_test([subject(quad)], card, masks="some"))
