"""The npe2 reader: cheap acceptance, layers, and what the user is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.io import write_volume
from napari_medsynth.io.hooks import contrast_limits, get_reader

notifications = pytest.importorskip("napari.utils.notifications")


@pytest.fixture
def shown(monkeypatch):
    """Warnings that the user would have seen."""
    sentences = []
    monkeypatch.setattr(notifications, "show_warning", sentences.append)
    return sentences


@pytest.fixture
def scan(tmp_path, volume):
    write_volume(volume, tmp_path / "T1.nii.gz")
    return tmp_path / "T1.nii.gz"


def test_file_becomes_a_layer_in_mm(scan, volume, shown):
    ((data, options, kind),) = get_reader(str(scan))(str(scan))

    assert kind == "image"
    assert np.allclose(data, volume.data[0])
    assert options["name"] == "T1"
    assert tuple(options["scale"]) == pytest.approx(volume.spacing)
    assert tuple(options["translate"]) == pytest.approx(volume.origin)
    assert options["units"] == ("mm",) * 3
    assert options["metadata"]["medsynth"]["modality"] == "T1"
    assert shown == []


def test_list_of_files_becomes_layers_with_names_of_their_own(scan, volume, tmp_path):
    other = tmp_path / "b"
    other.mkdir()
    write_volume(volume, other / "T1.nii.gz")
    paths = [str(scan), str(other / "T1.nii.gz")]

    layers = get_reader(paths)(paths)

    assert [options["name"] for _, options, _ in layers] == ["T1", "T1 (2)"]


def test_folder_with_a_scan_is_accepted(scan):
    reader = get_reader(str(scan.parent))

    assert len(reader(str(scan.parent))) == 1


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "noext"])
def test_other_files_and_folders_are_left_to_others(tmp_path, name):
    (tmp_path / name).write_text("x" * 200)

    assert get_reader(str(tmp_path / name)) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader([]) is None


def test_one_foreign_file_in_a_list_leaves_the_list_to_others(scan, tmp_path):
    (tmp_path / "notes.txt").write_text("x")

    assert get_reader([str(scan), str(tmp_path / "notes.txt")]) is None


def test_dicom_without_extension_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)

    assert get_reader(str(tmp_path / "IM0001")) is not None
    assert get_reader(str(tmp_path)) is not None


def test_slices_of_one_series_are_one_layer(tmp_path, shown):
    pytest.importorskip("pydicom")
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    for k in range(5):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.3"
        uid = generate_uid()
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = uid
        header.SeriesInstanceUID = "1.2.3.4"
        header.Modality, header.Rows, header.Columns = "MR", 20, 24
        header.PixelSpacing, header.SliceThickness = [1, 1], 2
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.ImagePositionPatient = [0, 0, 2 * k]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated = header.BitsStored = 16
        header.HighBit, header.PixelRepresentation = 15, 0
        header.PixelData = (np.arange(480, dtype=np.uint16) + k).tobytes()
        header["PixelData"].VR = "OW"
        header.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    paths = [str(p) for p in sorted(tmp_path.glob("*.dcm"))]

    layers = get_reader(paths)(paths)

    assert len(layers) == 1
    assert layers[0][0].shape == (5, 20, 24)


def test_warnings_reach_the_user_once(tmp_path, volume, shown):
    spoiled = volume.data.copy()
    spoiled[0, 0, 0, :3] = np.nan
    write_volume(replace(volume, data=spoiled), tmp_path / "T1.nii.gz")
    path = str(tmp_path / "T1.nii.gz")

    get_reader(path)(path)

    assert len(shown) == 1
    assert "3 NaN" in shown[0]


def test_contrast_limits_ignore_a_lonely_outlier(volume):
    spoiled = volume.data.copy()
    spoiled[0, 0, 0, 0], spoiled[0, 0, 0, 1] = 1e30, np.nan

    low, high = contrast_limits(replace(volume, data=spoiled))

    assert 0 <= low < high < 2000


def test_contrast_limits_of_ct_and_of_a_constant(volume):
    ct = replace(volume, data=volume.data * 10 - 4000, modality="CT")

    assert contrast_limits(ct) == (-1000, 1000)
    flat = replace(volume, data=np.full_like(volume.data, 7))
    assert contrast_limits(flat) == (7, 8)
    nothing = replace(volume, data=np.full_like(volume.data, np.nan))
    assert contrast_limits(nothing) == (0, 1)


@pytest.mark.parametrize(
    ("name", "top", "kind"),
    [
        ("lesion_mask", 1.0, "labels"),
        ("sub-1_dseg", 3.0, "labels"),
        ("T1", 3.0, "image"),
        ("lesion_mask", 0.5, "image"),
        ("masked_T1", 3.0, "image"),
    ],
)
def test_masks_by_name_and_content_become_labels(
    name, top, kind, tmp_path, volume, shown
):
    data = np.zeros_like(volume.data)
    data[:, 2:4, 10:20, 8:18] = 1.0
    data[:, 3, 12:15, 9:12] = top
    path = tmp_path / f"{name}.nii.gz"
    write_volume(replace(volume, data=data, modality="", name=name), path)

    ((opened, options, found),) = get_reader(str(path))(str(path))

    assert found == kind
    np.testing.assert_array_equal(opened, data[0])
    assert tuple(options["translate"]) == pytest.approx(volume.origin)
    if kind == "labels":
        assert opened.dtype == np.int32
        assert "contrast_limits" not in options
        assert shown == []
