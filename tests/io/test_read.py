"""Opening anything: files of every kind, folders, studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import (
    read_study,
    read_volume,
    read_volumes,
    same_grid,
    write_volume,
)


@pytest.fixture
def subject(tmp_path, study):
    """A BIDS subject with T1w, T2w, a mask and a broken file."""
    folder = tmp_path / "sub-07" / "anat"
    folder.mkdir(parents=True)
    write_volume(study["T1"], folder / "sub-07_T1w.nii.gz")
    write_volume(study["T2"], folder / "sub-07_T2w.nii.gz")
    write_volume(study["T1"], folder / "sub-07_desc-brain_mask.nii.gz")
    (folder / "sub-07_FLAIR.nii.gz").touch()
    return tmp_path / "sub-07"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_what_was_written_is_read(tmp_path, volume, suffix):
    write_volume(volume, tmp_path / f"T1{suffix}")

    again = read_volume(str(tmp_path / f"T1{suffix}"))

    assert np.allclose(again.data, volume.data)
    assert same_grid(again, volume)
    assert again.modality == "T1"


def test_what_is_not_there_or_of_no_kind_is_refused(tmp_path):
    (tmp_path / "a.docx").write_text("letter")

    with pytest.raises(VolumeError, match="does not exist"):
        read_volumes(tmp_path / "b.nii")
    with pytest.raises(VolumeError, match=r"a\.docx is none of"):
        read_volumes(tmp_path / "a.docx")


def test_empty_folder_with_an_image_suffix_is_refused(tmp_path):
    (tmp_path / "a.nii.gz").mkdir()

    with pytest.raises(VolumeError, match=r"a\.nii\.gz is a folder"):
        read_volumes(tmp_path / "a.nii.gz")


def test_folder_gives_its_scans_and_says_what_it_left_out(subject):
    volumes = read_volumes(subject)

    assert sorted(v.modality for v in volumes) == ["T1", "T2"]
    words = " ".join(volumes[0].warnings)
    assert "mask.nii.gz was left out" in words
    assert "FLAIR.nii.gz is empty" in words


def test_folder_of_broken_files_names_the_first_reason(tmp_path):
    (tmp_path / "T1.nii.gz").touch()

    with pytest.raises(VolumeError, match=r"T1\.nii\.gz is empty"):
        read_volumes(tmp_path)


def test_bids_subject_is_a_study(subject):
    study = read_study(subject)

    assert set(study.modalities) == {"T1", "T2"}
    assert study.subject == "07"
    assert study.notes == ()


def test_mapping_says_the_modality(tmp_path, volume):
    write_volume(volume, tmp_path / "scan.nii.gz")

    study = read_study({"FLAIR": tmp_path / "scan.nii.gz"})

    assert study["FLAIR"].modality == "FLAIR"


def test_list_of_files_is_guessed(tmp_path, study):
    paths = [tmp_path / f"{m}.nii.gz" for m in study.modalities]
    for path, modality in zip(paths, study.modalities, strict=True):
        write_volume(study[modality], path)

    assert set(read_study(paths).modalities) == {"T1", "T2", "PD", "FLAIR"}


def test_one_file_is_a_study_of_one(tmp_path, volume):
    write_volume(volume, tmp_path / "T1.nii.gz")

    assert read_study(tmp_path / "T1.nii.gz").modalities == ("T1",)


def test_unknown_and_doubled_modalities_ask(tmp_path, volume):
    for name in ("scan.nii.gz", "T1_a.nii.gz", "T1_b.nii.gz"):
        write_volume(volume, tmp_path / name)

    with pytest.raises(VolumeError, match="modality of scan is unknown"):
        read_study([tmp_path / "scan.nii.gz"])
    with pytest.raises(VolumeError, match="two T1 images, T1_a and T1_b"):
        read_study(tmp_path)


def test_folder_without_a_known_modality_is_refused(tmp_path, volume):
    write_volume(volume, tmp_path / "scan.nii.gz")

    with pytest.raises(VolumeError, match="no image of a known modality"):
        read_study(tmp_path)


def test_other_grid_is_noted_not_resampled(tmp_path, volume):
    moved = replace(volume, origin=(0.0, 0.0, 0.0))
    write_volume(volume, tmp_path / "T1.nii.gz")
    write_volume(moved, tmp_path / "T2.nii.gz")

    study = read_study({"T1": tmp_path / "T1.nii.gz", "T2": tmp_path / "T2.nii.gz"})

    assert study.notes == ("T2 has another grid than T1 and must be resampled.",)
    assert np.allclose(study["T2"].data, volume.data)
