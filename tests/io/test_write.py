"""What is written is what was read, marked when synthetic, whole or not at all."""

import gzip
import json
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import (
    Volume,
    read_sidecar,
    read_volume,
    same_grid,
    volume_from_itk,
)
from napari_medsynth.io import write as write_module
from napari_medsynth.io.write import write_volume
from napari_medsynth.io.write_hooks import write_image

FORMATS = [".nii", ".nii.gz", ".nrrd", ".mha"]
CODES = [
    "".join(letters)
    for axes in permutations(("LR", "PA", "SI"))
    for letters in product(*axes)
]


def read(path: Path) -> Volume:
    return volume_from_itk(sitk.ReadImage(str(path)))


@pytest.fixture
def counts(rng) -> Volume:
    """An int16 scan on an oblique grid, stored as RAS."""
    turn = sitk.VersorTransform()
    turn.SetRotation((1.0, 0.6, 0.3), np.radians(14.4))
    direction = np.reshape(turn.GetMatrix(), (3, 3))
    return Volume(
        rng.integers(-1000, 3000, (1, 4, 5, 6)).astype(np.float32),
        spacing=(2.5, 1.25, 0.75),
        origin=(80.0, 12.25, -31.5),
        direction=np.eye(3)[::-1] @ direction @ np.eye(3)[::-1],
        orientation="RAS",
        modality="CT",
        metadata={"dtype": "int16"},
    )


@pytest.fixture
def synthetic(volume) -> Volume:
    provenance = {
        "software": "napari-medsynth",
        "version": "1.2.3",
        "model": "resvit-starter",
        "sha256": "ab" * 32,
        "sources": {
            "T1": {"name": "T1", "file": "t1.nii.gz"},
            "T2": {"name": "T2", "file": ""},
        },
        "targets": ("FLAIR",),
        "seconds": np.float32(1.5),
        "grid": np.arange(3),
    }
    metadata = {"synthetic": True, "provenance": provenance}
    return volume.with_data(volume.data, modality="FLAIR", metadata=metadata)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("code", ["LPS", "RAS", "ASL", "PIR"])
def test_a_scan_is_written_back_as_it_was(tmp_path, rng, suffix, code):
    values = rng.integers(-1000, 3000, (4, 5, 6)).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.75, 1.25, 2.5))
    image.SetOrigin((-31.5, 12.25, 80.0))
    image = sitk.DICOMOrient(image, code)
    volume = volume_from_itk(image, metadata={"dtype": "int16"})

    written = write_volume(volume, tmp_path / f"scan{suffix}")

    assert written == [tmp_path / f"scan{suffix}"]
    back = sitk.ReadImage(str(written[0]))
    assert back.GetPixelID() == sitk.sitkInt16
    assert back.GetSpacing() == image.GetSpacing()
    assert back.GetOrigin() == image.GetOrigin()
    np.testing.assert_allclose(back.GetDirection(), image.GetDirection(), atol=1e-9)
    np.testing.assert_array_equal(
        sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image)
    )


@pytest.mark.parametrize("code", CODES)
def test_all_orientations_survive_a_file(tmp_path, volume, code):
    turned = volume.with_data(volume.data, orientation=code)

    back = read(write_volume(turned, tmp_path / "scan.nii")[0])

    assert back.orientation == code
    assert same_grid(back, volume, tolerance=1e-5)  # NIfTI keeps places in float32
    np.testing.assert_array_equal(back.data, volume.data)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_oblique_scan_survives_a_file(tmp_path, counts, suffix):
    back = read(write_volume(counts, tmp_path / f"scan{suffix}")[0])

    assert back.orientation == "RAS"
    np.testing.assert_array_equal(back.data, counts.data)
    np.testing.assert_allclose(back.direction, counts.direction, atol=1e-6)
    np.testing.assert_allclose(back.origin, counts.origin, atol=1e-5)
    np.testing.assert_allclose(back.spacing, counts.spacing, rtol=1e-7)


@pytest.mark.parametrize(
    ("dtype", "change", "kept"),
    [
        ("int16", 0, sitk.sitkInt16),
        (">i2", 0, sitk.sitkInt16),
        ("int16", 0.5, sitk.sitkFloat32),
        ("int16", 40000, sitk.sitkFloat32),
        ("int16", np.nan, sitk.sitkFloat32),
        ("uint8", 0, sitk.sitkFloat32),
        ("int32", 40000, sitk.sitkInt32),
        ("float64", 0, sitk.sitkFloat32),
        ("no type", 0, sitk.sitkFloat32),
        ("", 0, sitk.sitkFloat32),
    ],
)
def test_the_type_of_the_file_is_kept_where_it_holds_every_voxel(
    tmp_path, counts, dtype, change, kept
):
    data = counts.data.copy()
    data[0, 1, 2, 3] += change
    path = write_volume(
        counts.with_data(data, metadata={"dtype": dtype}), tmp_path / "scan.nrrd"
    )[0]

    assert sitk.ReadImage(str(path)).GetPixelID() == kept
    np.testing.assert_array_equal(read(path).data, data)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_channels_survive_a_file(tmp_path, volume, suffix):
    pair = volume.with_data(np.concatenate([volume.data, volume.data + 1]))

    back = read(write_volume(pair, tmp_path / f"pair{suffix}")[0])

    np.testing.assert_array_equal(back.data, pair.data)
    assert same_grid(back, pair, tolerance=1e-5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_slice_survives_a_file(tmp_path, volume, suffix):
    slab = volume.with_data(volume.data[:, :1])

    back = read(write_volume(slab, tmp_path / f"slab{suffix}")[0])

    assert same_grid(back, slab, tolerance=1e-5)
    np.testing.assert_array_equal(back.data, slab.data)


def test_channels_are_refused_where_readers_disagree_about_them(tmp_path, volume):
    pair = volume.with_data(np.concatenate([volume.data, volume.data]))

    with pytest.raises(VolumeError, match=r"one channel, got 2: choose \.nrrd"):
        write_volume(pair, tmp_path / "pair.nii.gz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_our_reader_gives_what_was_written(tmp_path, counts, synthetic, suffix):
    write_volume(counts, tmp_path / f"scan{suffix}")
    write_volume(synthetic, tmp_path / f"FLAIR{suffix}")

    scan = read_volume(tmp_path / f"scan{suffix}")
    made = read_volume(tmp_path / f"FLAIR{suffix}")

    assert same_grid(scan, counts)
    np.testing.assert_array_equal(scan.data, counts.data)
    assert (scan.orientation, scan.metadata["dtype"]) == ("RAS", "int16")
    assert not scan.is_synthetic
    assert made.is_synthetic
    assert made.modality == "FLAIR"
    assert made.metadata["provenance"]["model"] == "resvit-starter"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_synthetic_volume_says_so_in_header_and_sidecar(tmp_path, synthetic, suffix):
    path, sidecar = write_volume(synthetic, tmp_path / "new folder" / f"flair{suffix}")

    fields = json.loads(sidecar.read_text())
    assert sidecar.name == "flair.json"
    assert fields["SyntheticData"] is True
    assert fields["Description"] == "Synthetic image, not for diagnosis"
    assert fields["Modality"] == "FLAIR"
    assert fields["ModelId"] == "resvit-starter"
    assert fields["ModelSHA256"] == "ab" * 32
    assert fields["Sources"] == ["t1.nii.gz", "T2"]
    assert fields["Targets"] == ["FLAIR"]
    assert fields["SoftwareVersion"] == "napari-medsynth 1.2.3"
    assert fields["Provenance"]["grid"] == [0, 1, 2]
    header = sitk.ReadImage(str(path))
    assert header.GetMetaData("ITK_FileNotes") == "SYNTHETIC resvit-starter"
    assert header.GetPixelID() == sitk.sitkFloat32
    if not suffix.startswith(".nii"):
        assert header.GetMetaData("SyntheticData") == "true"


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_mark_comes_back_even_without_the_sidecar(tmp_path, synthetic, suffix):
    path, sidecar = write_volume(synthetic, tmp_path / f"flair{suffix}")

    with_sidecar = read_sidecar(path)
    sidecar.unlink()
    image = sitk.ReadImage(str(path))
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    without = read_sidecar(path, header)

    assert with_sidecar["synthetic"] is True
    assert with_sidecar["provenance"]["version"] == "1.2.3"
    assert without == {"synthetic": True, "provenance": {"model": "resvit-starter"}}
    assert read_sidecar(path) == {}


@pytest.mark.parametrize("sources", [{}, ["T1", "T2"], {"T1": "t1.nii"}])
def test_a_sidecar_needs_no_full_provenance(tmp_path, volume, sources):
    metadata = {"synthetic": True, "provenance": {"sources": sources}}

    _, sidecar = write_volume(
        volume.with_data(volume.data, metadata=metadata), tmp_path / "t1.nii"
    )

    fields = json.loads(sidecar.read_text())
    assert fields["Sources"] in ([], ["T1", "T2"], ["t1.nii"])
    assert fields["Targets"] == ["T1"]
    assert fields["SoftwareVersion"].startswith("napari-medsynth ")


def test_a_sidecar_of_another_program_is_no_mark(tmp_path, volume):
    for text in ("[1, 2]", "{broken", '{"Modality": "MR"}'):
        (tmp_path / "scan.json").write_text(text)

        assert read_sidecar(tmp_path / "scan.nii.gz") == {}
        assert write_volume(volume, tmp_path / "scan.nii.gz") == [
            tmp_path / "scan.nii.gz"
        ]
        assert (tmp_path / "scan.json").read_text() == text


def test_a_real_scan_takes_the_mark_of_the_file_it_replaces_away(
    tmp_path, volume, synthetic
):
    write_volume(synthetic, tmp_path / "scan.nii.gz")

    write_volume(volume, tmp_path / "scan.nii.gz")

    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_a_synthetic_integer_file_type_is_not_copied(tmp_path, counts):
    marked = counts.with_data(
        counts.data, metadata={"dtype": "int16", "synthetic": True}
    )

    path, _ = write_volume(marked, tmp_path / "scan.nii")

    assert sitk.ReadImage(str(path)).GetPixelID() == sitk.sitkFloat32


@pytest.mark.parametrize("name", ["scan.mhd", "scan.png", "scan", "scan.dcm"])
def test_other_formats_are_refused_with_the_known_ones(tmp_path, volume, name):
    with pytest.raises(VolumeError, match=r"\.nii\.gz.*got '" + name):
        write_volume(volume, tmp_path / name)
    assert not list(tmp_path.iterdir())


def cut_the_file(image, path, compress):
    """What SimpleITK does with a NIfTI on a full disk: no error, half a file."""
    WriteImage(image, path, compress)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])


def refuse_the_file(image, path, compress):
    Path(path).write_bytes(b"half")
    raise RuntimeError("sitk::ERROR: \nNo space left on device")


WriteImage = sitk.WriteImage


@pytest.mark.parametrize(
    ("failure", "suffix"),
    [
        (cut_the_file, ".nii"),
        (cut_the_file, ".nii.gz"),
        (refuse_the_file, ".nii.gz"),
        (refuse_the_file, ".nrrd"),
    ],
)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path, volume, synthetic, monkeypatch, failure, suffix
):
    path = write_volume(volume, tmp_path / f"scan{suffix}")[0]
    before = path.read_bytes()
    monkeypatch.setattr(sitk, "WriteImage", failure)

    with pytest.raises(VolumeError, match="could not be written"):
        write_volume(synthetic, path)

    assert [path.name for path in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_failed_sidecar_leaves_no_image(tmp_path, synthetic, monkeypatch):
    def refuse(self, text, encoding):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", refuse)

    with pytest.raises(VolumeError, match="No space left on device"):
        write_volume(synthetic, tmp_path / "flair.nii.gz")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, volume):
    (tmp_path / "file").touch()

    with pytest.raises(VolumeError, match="could not be written"):
        write_volume(volume, tmp_path / "file" / "scan.nii.gz")


def test_a_compressed_nifti_that_ends_early_is_noticed(tmp_path):
    whole = gzip.compress(bytes(100_000), mtime=0)
    (tmp_path / "cut.nii.gz").write_bytes(whole[:-20])

    assert write_module._unzipped_size(tmp_path / "cut.nii.gz") < 100_000


@pytest.mark.parametrize("code", ["LPS", "RAS", "ASL"])
def test_a_layer_is_saved_as_the_file_it_was_opened_from(tmp_path, counts, code):
    from napari.components import ViewerModel

    from napari_medsynth.io import layer_tuple

    counts = counts.with_data(counts.data, orientation=code)
    data, options, _ = layer_tuple(counts)
    saved = ViewerModel().add_image(data, **options).as_layer_data_tuple()

    written = write_image(str(tmp_path / "scan.nii.gz"), *saved[:2])

    assert written == [str(tmp_path / "scan.nii.gz")]
    image = sitk.ReadImage(written[0])
    assert image.GetPixelID() == sitk.sitkInt16
    back = volume_from_itk(image)
    assert back.orientation == code
    assert same_grid(back, counts)
    np.testing.assert_array_equal(back.data, counts.data)


def test_a_synthetic_layer_is_saved_with_its_sidecar(tmp_path, synthetic):
    from napari_medsynth.io import layer_tuple

    data, options, _ = layer_tuple(synthetic)

    written = write_image(str(tmp_path / "flair"), data, options)

    assert [Path(path).name for path in written] == ["flair.nii.gz", "flair.json"]


def test_a_colour_layer_is_not_saved(tmp_path, rng):
    with pytest.raises(VolumeError, match="colour"):
        write_image(
            str(tmp_path / "a.nii"), rng.random((4, 5, 3)), {"rgb": True, "name": "a"}
        )
    assert not list(tmp_path.iterdir())


def test_real_scans_are_written_back_bit_exact(tmp_path, shared):
    for source in sorted((shared / "data/brain").glob("ms_*/*T1*.nii.gz")):
        image = sitk.ReadImage(str(source))
        dtype = sitk.GetArrayViewFromImage(image).dtype
        volume = volume_from_itk(image, metadata={"dtype": str(dtype)})

        path = write_volume(volume, tmp_path / source.name)[0]

        back = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(
            sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image)
        )
        assert back.GetPixelID() == image.GetPixelID()
        np.testing.assert_allclose(back.GetOrigin(), image.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(back.GetSpacing(), image.GetSpacing(), rtol=1e-6)
        np.testing.assert_allclose(back.GetDirection(), image.GetDirection(), atol=1e-6)
