"""The data report where sources and targets are of different subjects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, write_volume
from napari_medsynth.training.data.cohort import why_unusable
from napari_medsynth.training.data.report import report_subjects
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.data.scans import contrasts_in

CARD = ModelCard(
    id="x",
    family="resnet",
    task="synthesis",
    title="X",
    factory="a:b",
    inputs=("T1",),
    outputs=("CT",),
)


@pytest.fixture
def write(tmp_path):
    def write_scans(name, *contrasts, moved=0.0):
        files = {}
        for number, contrast in enumerate(contrasts):
            data = np.random.default_rng(number).uniform(100, 900, (1, 6, 24, 20))
            origin = (moved * number, 0.0, 0.0)
            volume = Volume(data.astype(np.float32), origin=origin)
            path = tmp_path / name / f"{contrast}.nii"
            path.parent.mkdir(exist_ok=True)
            write_volume(volume, path)
            files[contrast] = str(path)
        return Subject(name, files)

    return write_scans


def reports(subjects):
    steps = report_subjects(subjects, CARD, align="header", pairing="unpaired")
    return {report.name: report for report in steps}


def test_either_side_is_enough_and_nothing_else_is_missed(write):
    found = reports([write("a", "T1"), write("b", "CT"), write("c", "T1", "CT")])

    assert [report.role for report in found.values()] == ["train"] * 3
    assert all(report.problems == () for report in found.values())


def test_scans_of_one_subject_need_not_lie_on_each_other(write):
    found = reports([write("far", "T1", "CT", moved=500.0)])

    assert tuple(found["far"].contrasts) == ("T1", "CT")
    assert found["far"].problems == ()


def test_a_subject_with_neither_side_is_unusable(write):
    with pytest.raises(VolumeError, match="neither T1 nor CT"):
        reports([write("a", "PD")])
    assert why_unusable(CARD, {"T1"}) == "no CT"
    assert why_unusable(CARD, {"T1"}, pairing="unpaired") == ""


def test_the_contrasts_of_a_folder_are_told_by_its_files(write, tmp_path):
    write("a", "CT", "T1")
    write("b", "FLAIR")

    assert contrasts_in(tmp_path) == ("T1", "FLAIR", "CT")
