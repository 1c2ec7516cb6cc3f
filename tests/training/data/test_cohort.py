"""Who is found in folders of many layouts, and who is held out. No voxel is read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.data.cohort import (
    find_subjects,
    split_subjects,
    why_unusable,
)
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.job import DataConfig

CONTRASTS = ("T1", "T2", "PD", "FLAIR")


def touch(folder: Path, *names: str) -> None:
    """Make empty files: their names are all that counts."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, contrasts=CONTRASTS) -> dict[str, dict[str, str]]:
    """Give subjects, contrasts and paths below `folder`."""
    data = DataConfig(folder=str(folder))
    return {
        s.name: {c: Path(p).relative_to(folder).as_posix() for c, p in s.files.items()}
        for s in find_subjects(data, contrasts)
    }


def test_one_folder_per_subject(tmp_path):
    touch(tmp_path / "p07", "T1.nii.gz", "T1ce.nii.gz", "T2.nii.gz", "FLAIR.nii.gz")
    touch(tmp_path / "p07", "lesion_mask.nii.gz", "T1_brainmask.nii.gz")
    touch(tmp_path / "p04", "T1W.nii.gz", "T2W.nii.gz", "transforms/T1W_to_FLAIR.txt")
    touch(tmp_path, "README.md", "p04/README_T1.md", "p04/T1_screenshot.png")

    assert found(tmp_path) == {
        "p04": {"T1": "p04/T1W.nii.gz", "T2": "p04/T2W.nii.gz"},
        "p07": {
            "T1": "p07/T1.nii.gz",
            "T2": "p07/T2.nii.gz",
            "FLAIR": "p07/FLAIR.nii.gz",
        },
    }


def test_a_scan_with_contrast_agent_is_found_if_it_is_asked_for(tmp_path):
    touch(tmp_path / "p07", "T1ce.nii.gz", "T2.nii.gz")

    assert list(found(tmp_path, ("T1ce", "T2"))["p07"]) == ["T1ce", "T2"]
    with pytest.raises(VolumeError, match="No subject with two of T1, T2"):
        found(tmp_path, ("T1", "T2"))


def test_a_folder_that_is_itself_a_subject(tmp_path):
    touch(tmp_path / "ann", "T1.nii.gz", "T2.nii.gz")
    touch(tmp_path / "bob", "T1/scan.nii.gz", "T2/scan.nii.gz")

    assert list(found(tmp_path / "ann")) == ["ann"]
    assert found(tmp_path / "bob")["bob"] == {
        "T1": "T1/scan.nii.gz",
        "T2": "T2/scan.nii.gz",
    }


@pytest.mark.parametrize("name", ["{c}/IXI{i}-Guys-{c}.nii.gz", "IXI{i}-Guys-{c}.nii"])
def test_files_are_paired_by_name(tmp_path, name):
    for i in ("002", "012"):
        touch(tmp_path, *(name.format(i=i, c=c) for c in ("T1", "PD")))

    assert found(tmp_path) == {
        f"IXI{i}-Guys": {c: name.format(i=i, c=c) for c in ("T1", "PD")}
        for i in ("002", "012")
    }


def test_folders_in_folders_give_unique_names(tmp_path):
    for site in ("north", "south"):
        touch(tmp_path / site / "p1", "T1.nii.gz", "T2.nii.gz")
    touch(tmp_path / "south" / "p2", "T1.nii.gz", "T2.nii.gz")

    assert list(found(tmp_path)) == ["north_p1", "p2", "south_p1"]


def test_two_persons_with_one_scan_each_are_not_one_subject(tmp_path):
    touch(tmp_path, "ann/T1.nii.gz", "bob/T2.nii.gz", "eve/T1.nii", "eve/T2.nii")

    assert {name: list(files) for name, files in found(tmp_path).items()} == {
        "ann": ["T1"],
        "bob": ["T2"],
        "eve": ["T1", "T2"],
    }


def test_scans_of_different_persons_are_never_put_together(tmp_path):
    touch(tmp_path, "ann/T1.nii.gz", "bob/T2.nii.gz")

    with pytest.raises(VolumeError, match="No subject with two of"):
        found(tmp_path)


def test_repeated_scans_in_folders_of_one_subject_are_one_subject(tmp_path):
    touch(tmp_path / "ann", "T1_mprage/1.nii", "T1_se/22.nii", "T2/3.nii")

    files = {"T1": "T1_mprage/1.nii", "T2": "T2/3.nii"}
    assert found(tmp_path / "ann")["ann"] == files


def test_of_two_scans_the_plain_one_is_used_and_the_other_named(tmp_path):
    touch(tmp_path / "ann", "T1.nii.gz", "T1_bet.nii.gz", "T2.nii.gz", "T2_bet.nii.gz")

    (ann,) = find_subjects(DataConfig(folder=str(tmp_path)), CONTRASTS)

    assert [Path(p).name for p in ann.files.values()] == ["T1.nii.gz", "T2.nii.gz"]
    assert ann.notes[0] == "Two T1: T1.nii.gz is used, T1_bet.nii.gz is not."


def test_bids_sessions_are_subjects_of_one_person(tmp_path):
    for session in ("pre", "post"):
        stem = f"sub-01/ses-{session}/anat/sub-01_ses-{session}"
        touch(tmp_path, f"{stem}_T1w.nii.gz", f"{stem}_FLAIR.nii.gz")
    stem = "sub-01/ses-pre/anat/sub-01_ses-pre"
    touch(tmp_path, f"{stem}_ce-gadolinium_T1w.nii.gz", f"{stem}_T1map.nii.gz")
    touch(tmp_path, "sub-02/anat/sub-02_T1w.nii.gz", "sub-02/anat/sub-02_T2w.nii.gz")
    touch(tmp_path, "derivatives/fast/sub-02/anat/sub-02_PDw.nii.gz")

    subjects = find_subjects(DataConfig(folder=str(tmp_path)), CONTRASTS)

    assert [(s.name, s.person, list(s.files)) for s in subjects] == [
        ("sub-01_ses-post", "sub-01", ["T1", "FLAIR"]),
        ("sub-01_ses-pre", "sub-01", ["T1", "FLAIR"]),
        ("sub-02", "sub-02", ["T1", "T2"]),
    ]
    assert not any(s.notes for s in subjects)


def test_names_of_models_are_found_in_names_of_files_and_folders(tmp_path):
    pair = ("MR", "CT")
    touch(tmp_path / "named", "s1/MR.nii.gz", "s1/CT.nii.gz", "s2/mr.nii", "s2/CT.nii")
    touch(tmp_path / "flat", "a_MR.nii.gz", "a_CT.nii.gz", "b_MR.nii.gz", "b_CT.nii.gz")
    touch(tmp_path / "folders", "MR/a.nii.gz", "MR/b.nii.gz", "CT/a.nii.gz")
    touch(tmp_path / "folders", "CT/b.nii.gz", "other/primrose.nii.gz")

    assert found(tmp_path / "named", pair) == {
        "s1": {"MR": "s1/MR.nii.gz", "CT": "s1/CT.nii.gz"},
        "s2": {"MR": "s2/mr.nii", "CT": "s2/CT.nii"},
    }
    assert found(tmp_path / "flat", pair) == {
        "a": {"MR": "a_MR.nii.gz", "CT": "a_CT.nii.gz"},
        "b": {"MR": "b_MR.nii.gz", "CT": "b_CT.nii.gz"},
    }
    assert found(tmp_path / "folders", pair) == {
        "a": {"MR": "MR/a.nii.gz", "CT": "CT/a.nii.gz"},
        "b": {"MR": "MR/b.nii.gz", "CT": "CT/b.nii.gz"},
    }


def test_a_name_of_several_words_is_found(tmp_path):
    touch(tmp_path, "s1/scan_cone-beam_CT.nii.gz", "s1/T1.nii.gz", "s1/ct_plan.nii.gz")

    (subject,) = found(tmp_path, ("T1", "cone beam CT")).values()
    assert subject["cone beam CT"] == "s1/scan_cone-beam_CT.nii.gz"


def test_a_folder_of_each_contrast_is_unpaired_data(tmp_path):
    touch(tmp_path, "MR/one.nii.gz", "MR/two.nii.gz", "CT/other.nii.gz")
    data = DataConfig(folder=str(tmp_path), pairing="unpaired")

    subjects = find_subjects(data, ("MR", "CT"))

    assert sorted(tuple(s.files) for s in subjects) == [("CT",), ("MR",), ("MR",)]


def test_a_sidecar_tells_the_contrast(tmp_path):
    touch(tmp_path / "ann", "scan1.nii.gz", "T2.nii.gz")
    text = json.dumps({"SeriesDescription": "T1 MPRAGE"})
    (tmp_path / "ann" / "scan1.json").write_text(text)

    assert found(tmp_path)["ann"]["T1"] == "ann/scan1.nii.gz"


def test_what_a_model_has_made_is_not_learnt_from(tmp_path):
    touch(tmp_path / "ann", "T1.nii.gz", "T2.nii.gz", "FLAIR_synthetic.nii.gz")
    text = json.dumps({"SyntheticData": True})
    (tmp_path / "ann" / "FLAIR_synthetic.json").write_text(text)

    assert list(found(tmp_path)["ann"]) == ["T1", "T2"]


def test_linked_folders_are_looked_into_once(tmp_path):
    touch(tmp_path / "elsewhere" / "ann", "T1.nii.gz", "T2.nii.gz")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "ann").symlink_to(tmp_path / "elsewhere" / "ann")
    (tmp_path / "elsewhere" / "ann" / "loop").symlink_to(tmp_path / "cohort")

    assert list(found(tmp_path / "cohort")) == ["ann"]


def write_dicom(path: Path, description: str, *, series: str, study: str) -> None:
    """A header without pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.Modality, file.SeriesDescription = "MR", description
    file.SeriesInstanceUID, file.StudyInstanceUID = series, study
    file.Rows = file.Columns = 4
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def test_dicom_series_are_told_apart_in_one_folder_or_several(tmp_path):
    for person in ("ann", "bob"):
        study = generate_uid()
        for number, name in enumerate(("t1_mprage", "t2_tse", "localizer"), start=1):
            series = generate_uid()
            for i in range(2):
                folder = tmp_path / person / (f"S{number}" if person == "bob" else "")
                path = folder / f"IM{number}{i}"
                write_dicom(path, name, series=series, study=study)
    (tmp_path / "bob" / "S9").mkdir()
    (tmp_path / "bob" / "S9" / "IM").write_bytes(b"\0" * 128 + b"DICM nonsense")

    assert found(tmp_path) == {
        "ann": {"T1": "ann/IM10", "T2": "ann/IM20"},
        "bob": {"T1": "bob/S1/IM10", "T2": "bob/S2/IM20"},
    }


def test_real_folders_hold_the_subjects_they_should(shared):
    names = found(shared / "data" / "brain")

    assert {name: list(files) for name, files in names.items()} == {
        "ms_lesjak_p07": ["T1", "T2", "FLAIR"],
        "ms_longitudinal_p04_native": ["T1", "T2", "FLAIR"],
        "stroke_cstar": ["T1", "T2", "FLAIR"],
        "templates_2mm": ["T1", "T2", "PD"],
    }
    assert names["ms_lesjak_p07"]["T1"] == "ms_lesjak_p07/T1.nii.gz"


def test_listed_subjects_are_added_and_named_uniquely(tmp_path):
    touch(tmp_path, "ann/T1.nii.gz", "ann/T2.nii.gz")
    studies = (
        {"subject": "ann", "T1": "a.nii", "T2": "b.nii", "CT": "c.nii"},
        {"T1": "d.nii", "T2": "e.nii"},
    )
    data = DataConfig(folder=str(tmp_path), studies=studies)

    subjects = find_subjects(data, CONTRASTS)

    assert [(s.name, s.person) for s in subjects] == [
        ("ann", "ann"),
        ("ann (2)", "ann"),
        ("subject-2", "subject-2"),
    ]
    assert subjects[0].files == {"T1": "a.nii", "T2": "b.nii"}


def test_no_data_is_no_error_but_an_unusable_folder_is(tmp_path):
    assert find_subjects(DataConfig(simulated_share=1.0), CONTRASTS) == ()
    with pytest.raises(VolumeError, match="is no folder"):
        find_subjects(DataConfig(folder=str(tmp_path / "no")), CONTRASTS)
    with pytest.raises(VolumeError, match="needs one folder per subject"):
        find_subjects(DataConfig(folder=str(tmp_path)), CONTRASTS)


def persons(n: int, sessions: int = 1) -> tuple[Subject, ...]:
    return tuple(
        Subject(f"p{i}-{s}", {"T1": "", "T2": ""}, f"p{i}")
        for i in range(n)
        for s in range(sessions)
    )


def test_persons_are_never_divided():
    subjects = persons(8, sessions=3)

    train, held_out = split_subjects(subjects, DataConfig(folder="x"), seed=0)

    assert len(held_out) == 6
    assert not {s.person for s in train} & {s.person for s in held_out}
    assert sorted(s.name for s in (*train, *held_out)) == [s.name for s in subjects]


@pytest.mark.parametrize(
    ("n", "share", "n_held_out"),
    [(1, 0.25, 0), (2, 0.25, 1), (2, 0.9, 1), (4, 0.25, 1), (10, 0.3, 3), (5, 0.0, 0)],
)
def test_a_share_is_held_out_but_never_all_or_none(n, share, n_held_out):
    data = DataConfig(folder="x", held_out_share=share)

    train, held_out = split_subjects(persons(n), data, seed=3)

    assert (len(train), len(held_out)) == (n - n_held_out, n_held_out)


def test_the_draw_depends_on_the_seed_and_hardly_on_who_else_is_there():
    def drawn(subjects, seed):
        split = split_subjects(subjects, DataConfig(folder="x"), seed=seed)
        return {s.name for s in split[1]}

    subjects = persons(12)

    assert drawn(subjects, 1) == drawn(subjects[::-1], 1)
    assert len({frozenset(drawn(subjects, seed)) for seed in range(5)}) > 1
    assert len(drawn(subjects, 1) & drawn(subjects[:-1], 1)) >= 2


def test_named_subjects_and_persons_are_held_out():
    subjects = persons(3, sessions=2)
    data = DataConfig(folder="x", held_out=("p0-1", "p2"))

    train, held_out = split_subjects(subjects, data, seed=0)

    assert [s.name for s in train] == ["p1-0", "p1-1"]
    assert len(held_out) == 4


def test_wrong_names_and_nobody_left_are_sentences():
    with pytest.raises(VolumeError, match="no subject eve to hold out; there are p0-0"):
        split_subjects(persons(1), DataConfig(folder="x", held_out=("eve",)), seed=0)
    data = DataConfig(folder="x", held_out=("p0",))
    with pytest.raises(VolumeError, match="All subjects are held out"):
        split_subjects(persons(1), data, seed=0)
    rehearsal = replace(data, simulated_share=0.5)
    assert split_subjects(persons(1), rehearsal, seed=0)[0] == ()


@pytest.mark.parametrize(
    ("is_unified", "contrasts", "targets", "reason"),
    [
        (True, ("T1", "T2"), (), ""),
        (True, ("T2",), (), "nothing beside T2"),
        (True, ("T1", "T2"), ("PD",), "no PD"),
        (True, (), (), "no T1 or T2 or PD"),
        (False, ("T1", "PD"), (), "no T2"),
        (False, ("T1", "T2"), (), "no PD"),
        (False, ("T1", "T2", "PD"), (), ""),
    ],
)
def test_what_a_subject_lacks_is_named(is_unified, contrasts, targets, reason):
    channels = ("T1", "T2", "PD")
    card = ModelCard(
        id="x",
        family="resvit",
        task="synthesis",
        title="X",
        factory="a:b",
        inputs=channels if is_unified else channels[:2],
        outputs=channels if is_unified else channels[2:],
        is_unified=is_unified,
    )

    assert why_unusable(card, contrasts, targets) == reason


def test_looking_at_data_needs_no_torch():
    code = (
        "import sys; from napari_medsynth.training.data import cohort, report; "
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
