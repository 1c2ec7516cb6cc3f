"""The data report: numbers that are known, and problems by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, write_volume
from napari_medsynth.training.data.cohort import find_subjects
from napari_medsynth.training.data.report import report_subjects, thumbnail
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.job import DataConfig

SHAPE, SPACING = (16, 40, 36), (4.0, 2.0, 2.0)
CARD = ModelCard(
    id="x",
    family="resvit",
    task="synthesis",
    title="X",
    factory="a:b",
    inputs=("T1", "T2"),
    outputs=("T1", "T2"),
    is_unified=True,
)


def head(contrast: str, shift=(0.0, 0.0, 0.0)) -> Volume:
    """A head with two lobes on the usual grid, moved by `shift` (S, P, L) [mm]."""
    half = (np.array(SHAPE) - 1) / 2 * SPACING
    z, y, x = np.meshgrid(
        *(np.linspace(-h, h, n) for h, n in zip(half, SHAPE, strict=True)),
        indexing="ij",
    )
    greys = {"T1": (600, 900, 250), "T2": (300, 150, 800)}[contrast]
    skull = (z / 25) ** 2 + (y / 33) ** 2 + (x / 27) ** 2 < 1
    lobe = ((z - 5) / 11) ** 2 + ((y + 10) / 14) ** 2 + ((x - 6) / 9) ** 2 < 1
    other = ((z + 8) / 8) ** 2 + ((y - 12) / 8) ** 2 + ((x + 8) / 7) ** 2 < 1
    image = np.select([other, lobe, skull], greys[::-1], 0)
    noise = np.random.default_rng(len(contrast)).normal(0, 8, SHAPE)
    return Volume(
        (image + noise * skull)[np.newaxis].astype(np.float32),
        spacing=SPACING,
        origin=tuple(np.array(shift) - half),
    )


def write(folder: Path, **volumes: Volume | bytes) -> Subject:
    folder.mkdir(exist_ok=True)
    files = {}
    for contrast, volume in volumes.items():
        path = folder / f"{contrast}.nii.gz"
        if isinstance(volume, bytes):
            path.write_bytes(volume)
        else:
            write_volume(volume, path)
        files[contrast] = str(path)
    return Subject(folder.name, files)


def look(*subjects: Subject, card=CARD, align="header", **options):
    """Give the reports and the usable subjects."""
    steps, reports = report_subjects(subjects, card, align=align, **options), []
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as finished:
            return reports, finished.value


@pytest.fixture
def ann(tmp_path: Path) -> Subject:
    return write(tmp_path / "ann", T1=head("T1"), T2=head("T2"))


def test_a_good_subject_is_told_in_numbers(ann):
    (report,), usable = look(ann)

    t1, t2 = report.contrasts["T1"], report.contrasts["T2"]
    assert (report.name, report.role, report.problems) == ("ann", "train", ())
    assert report.spacing == t1.spacing == pytest.approx(SPACING)
    assert (t1.low, t1.high) == pytest.approx((0, 905), abs=15)
    assert (t1.shift, t1.turn, t1.similarity) == (0, 0, 2)
    assert t2.shift < 1 and t2.turn < 1 and 1.1 < t2.similarity < 1.9
    assert t2.shape == SHAPE
    assert report.n_slices == 12
    assert usable == (ann,)


def test_held_out_subjects_are_called_so(tmp_path, ann):
    bob = write(tmp_path / "bob", T1=head("T1"), T2=head("T2"))

    reports, _ = look(ann, bob, held_out=("bob",))

    assert [r.role for r in reports] == ["train", "held out"]


def test_a_shifted_scan_is_a_problem_unless_it_will_be_registered(tmp_path):
    moved = write(tmp_path / "eve", T1=head("T1"), T2=head("T2", shift=(0, 6.0, 3.0)))

    (by_header,), _ = look(moved)
    (rigid,), _ = look(moved, align="rigid")

    assert by_header.contrasts["T2"].shift == pytest.approx(6.7, abs=1)
    (problem,) = by_header.problems
    assert problem.startswith("T2 lies 6.") or problem.startswith("T2 lies 7.")
    assert problem.endswith("degrees off T1: choose align = rigid")
    assert by_header.role == "train"
    assert rigid.problems == ()


def test_scans_that_do_not_overlap_need_registration(tmp_path):
    far = write(tmp_path / "far", T1=head("T1"), T2=head("T2", shift=(500.0, 0, 0)))
    ann = write(tmp_path / "ann", T1=head("T1"), T2=head("T2"))

    (report, _), usable = look(far, ann)
    (rigid,), _ = look(far, align="rigid")

    assert report.role == "unusable"
    assert (
        "T2 and T1 share 0% of the field of view: choose align = rigid"
        in report.problems
    )
    assert usable == (ann,)
    assert rigid.role == "train"


@pytest.mark.parametrize(
    ("t2", "problem"),
    [
        (b"\x1f\x8b nonsense", "T2 cannot be used: T2.nii.gz"),
        (head("T2").with_data(np.full((1, *SHAPE), 7, np.float32)), "constant"),
        (head("T2").with_data((head("T2").data > 0) * np.float32(1)), "like a mask"),
        (
            Volume(head("T2").data[:, :1].copy(), spacing=SPACING),
            "T2 cannot be used: it is a single slice",
        ),
    ],
)
def test_a_scan_that_is_none_is_left_out_and_named(tmp_path, t2, problem):
    good = write(tmp_path / "ann", T1=head("T1"), T2=head("T2"))
    bad = write(tmp_path / "bad", T1=head("T1"), T2=t2)

    reports, usable = look(bad, good)

    assert reports[0].role == "unusable"
    assert reports[0].problems[0] == "cannot be used: nothing beside T1"
    assert any(problem in text for text in reports[0].problems)
    assert usable == (good,)


def test_two_names_of_one_image_are_a_problem(tmp_path):
    twins = write(tmp_path / "ann", T1=head("T1"), T2=head("T1"))

    assert look(twins)[0][0].problems == (
        "T2 and T1 are the same image: check the names",
    )


def test_a_short_scan_is_a_problem(tmp_path):
    t2 = head("T2")
    slab = t2.with_data(t2.data[:, :8].copy())

    (report,), _ = look(write(tmp_path / "ann", T1=head("T1"), T2=slab))

    assert "T2 covers 50% of T1" in report.problems


def test_a_third_contrast_that_is_broken_only_loses_itself(tmp_path):
    subject = write(tmp_path / "ann", T1=head("T1"), T2=head("T2"), PD=b"no")
    channels = ("T1", "T2", "PD", "FLAIR")
    card = ModelCard.from_json(
        {**CARD.to_json(), "inputs": channels, "outputs": channels}
    )

    (report,), (usable,) = look(subject, card=card)

    assert report.role == "train"
    assert "no FLAIR" in report.problems
    assert list(usable.files) == ["T1", "T2"]


def test_what_is_learnt_must_be_there(ann):
    card = ModelCard.from_json(
        {**CARD.to_json(), "inputs": ["T1"], "outputs": ["PD"], "is_unified": False}
    )

    with pytest.raises(VolumeError, match=r"None of 1 subjects .*ann: .*no PD"):
        look(ann, card=card)


def test_json_holds_everything_but_pictures(ann):
    (report,), _ = look(ann)

    values = json.loads(json.dumps(report.to_json()))

    assert values["contrasts"]["T2"]["shape"] == list(SHAPE)
    assert values["spacing"] == [4.0, 2.0, 2.0]
    assert set(report.thumbnails) == {"T1", "T2"}
    assert "thumbnails" not in values


def test_a_thumbnail_has_square_pixels_and_uses_all_greys(tmp_path):
    volume = head("T1")
    wide = Volume(volume.data, spacing=(4.0, 2.0, 4.0), origin=volume.origin)

    picture = thumbnail(write(tmp_path / "ann", T1=wide), "T1")

    assert picture.dtype == np.uint8
    assert picture.shape == (36, 64)
    assert (picture.min(), picture.max()) == (0, 255)


def test_odd_files_are_reported_and_the_good_subject_is_used(tmp_path, shared):
    odd = shared / "data" / "odd" / "nifti"
    for name, file in {
        "cut": "truncated_60pct",
        "flat": "constant",
        "mask": "binary_mask",
        "several": "4d_t1_t2_flair",
        "nan": "nan_inf_float32",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "T1.nii.gz").symlink_to(odd / "ref_int16.nii.gz")
        (tmp_path / name / "T2.nii.gz").symlink_to(odd / f"{file}.nii.gz")

    subjects = find_subjects(DataConfig(folder=str(tmp_path)), CARD.inputs)
    reports, usable = look(*subjects)

    text = {r.name: " / ".join(r.problems) for r in reports}
    assert "cut off" in text["cut"]
    assert "constant" in text["flat"]
    assert "mask" in text["mask"]
    assert "3 volumes" in text["several"]
    assert "66 NaN" in text["nan"]
    assert [s.name for s in usable] == ["nan"]
