"""NIfTI and Analyze files: geometry, scaling, damage."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, read_volumes

nib = pytest.importorskip("nibabel")


@pytest.fixture
def head(rng):
    """int16 (X, Y, Z) that is no mask, no label map and not tiny."""
    return rng.integers(0, 900, (20, 24, 18)).astype(np.int16)


def _save(path, array, affine=None, *, header=None):
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    for key, value in (header or {}).items():
        image.header[key] = value
    nib.save(image, path)
    return path


def _patch(path, offset, data):
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(content)
    return path


def _warning(volume):
    return " ".join(volume.warnings)


def test_voxels_lie_in_lps_world(tmp_path, head):
    affine = np.array([[1, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1.0]])
    volume = read_volume(_save(tmp_path / "T1.nii.gz", head, affine))

    assert volume.modality == "T1"
    assert volume.name == "T1"
    assert volume.orientation == "RAS"
    assert volume.spacing == (3, 2, 1)
    assert volume.origin == (7, -6 - 2 * 23, -5 - 19)
    assert volume.data[0, 2, 0, 0] == head[-1, -1, 2]
    assert volume.metadata["dtype"] == "int16"
    assert volume.warnings == []


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_cut_gzip_is_refused(tmp_path, head, cut):
    path = _save(tmp_path / "a.nii.gz", head)
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])

    with pytest.raises(VolumeError, match=r"a\.nii\.gz is cut off"):
        read_volumes(path)


def test_wrong_checksum_is_refused(tmp_path, head):
    path = _save(tmp_path / "a.nii.gz", head)
    _patch(path, path.stat().st_size - 8, b"\0\0\0\0")

    with pytest.raises(VolumeError, match="corrupt"):
        read_volumes(path)


def test_header_that_promises_more_is_refused(tmp_path, head):
    path = _patch(_save(tmp_path / "a.nii", head), 42, struct.pack("<h", 40))

    with pytest.raises(VolumeError, match="cut off: its header promises"):
        read_volumes(path)


def test_impossible_size_is_refused_before_memory_is_asked_for(tmp_path, head):
    path = _save(tmp_path / "a.nii", head)
    _patch(path, 42, struct.pack("<hhh", 30000, 30000, 30000))

    with pytest.raises(VolumeError, match="GiB"):
        read_volumes(path)


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (108, struct.pack("<f", np.nan), "start at byte"),
        (108, struct.pack("<f", 1e30), "start at byte"),
        (70, struct.pack("<h", 9999), "voxel type"),
        (40, struct.pack("<h", 9), "9 dimensions"),
        (288, struct.pack("<f", 1e9), "sheared so far"),
    ],
)
def test_header_that_makes_no_sense_is_refused(tmp_path, head, offset, value, words):
    path = _patch(_save(tmp_path / "a.nii", head), offset, value)

    with pytest.raises(VolumeError, match=words):
        read_volumes(path)


def test_dimension_of_zero_is_refused(tmp_path, head):
    path = _patch(_save(tmp_path / "a.nii", head), 42, struct.pack("<h", 0))

    with pytest.raises(VolumeError, match="claims the size"):
        read_volumes(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"x" * 400, "not a NIfTI"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, content, words):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)

    with pytest.raises(VolumeError, match=words):
        read_volumes(path)


def test_wrong_magic_is_refused(tmp_path, head):
    path = _patch(_save(tmp_path / "a.nii", head), 344, b"XXXX")

    with pytest.raises(VolumeError, match="magic"):
        read_volumes(path)


@pytest.mark.parametrize("name", ["plain.nii.gz", "packed.nii"])
def test_content_counts_not_the_suffix(tmp_path, head, name):
    plain = _save(tmp_path / "x.nii", head).read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain) if name == "packed.nii" else plain)

    volume = read_volume(path)

    assert np.array_equal(np.sort(volume.data.ravel()), np.sort(head.ravel()))
    assert "unlike its name" in _warning(volume)


def test_bytes_after_the_end_are_said(tmp_path, head):
    path = _save(tmp_path / "a.nii.gz", head)
    path.write_bytes(path.read_bytes() + b"garbage")

    assert "more bytes" in _warning(read_volume(path))


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [(0.01, -5, (0.01, -5)), (-2, 3, (-2, 3)), (0, 9, (1, 0)), (np.nan, 9, (1, 0))],
)
def test_slope_and_intercept_mean_what_the_standard_says(
    tmp_path, head, slope, intercept, expected
):
    path = _save(tmp_path / "a.nii", head, np.diag([-1.0, -1.0, 1.0, 1.0]))
    _patch(path, 112, struct.pack("<ff", slope, intercept))

    data = read_volume(path).data[0]

    assert np.allclose(data, head.T * expected[0] + expected[1], atol=1e-4)


def test_scaled_file_warns_of_a_broken_intercept(tmp_path, head):
    path = _save(tmp_path / "a.nii", head)
    _patch(path, 112, struct.pack("<ff", 2, np.nan))

    assert "intercept" in _warning(read_volume(path))


def test_forms_that_disagree_give_the_sform_and_a_warning(tmp_path, head):
    image = nib.Nifti1Image(head, np.eye(4))
    image.set_qform(np.diag([1.0, 1.0, 1.0, 1.0]), 1)
    moved = np.eye(4)
    moved[:3, 3] = 10, 20, 30
    image.set_sform(moved, 2)
    nib.save(image, tmp_path / "a.nii")

    volume = read_volume(tmp_path / "a.nii")

    assert volume.origin[0] == 30
    assert "disagree" in _warning(volume)


def test_no_forms_and_no_voxel_size_are_said(tmp_path, head):
    path = _save(tmp_path / "a.nii", head, header={"sform_code": 0, "qform_code": 0})
    _patch(path, 252, struct.pack("<hh", 0, 0))
    _patch(path, 80, struct.pack("<fff", 0, 0, 0))

    volume = read_volume(path)

    assert volume.spacing == (1, 1, 1)
    assert "no voxel size" in _warning(volume)
    assert "no orientation" in _warning(volume)


def test_sheared_grid_is_resampled_to_where_its_voxels_are(tmp_path):
    z = np.arange(20.0)
    ramp = np.broadcast_to(z, (30, 30, 20)).astype(np.float32).copy()
    sheared = np.array([[1, 0, 0, 0], [0, 1, 0.4, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]])
    volume = read_volume(_save(tmp_path / "a.nii", ramp, sheared))

    assert "sheared by 11.3 degrees" in _warning(volume)
    assert volume.spacing == pytest.approx((2, 1, 1))
    assert volume.shape[1] == 30 + 8
    middle = volume.data[0, :, 19, 15]
    assert np.allclose(middle, z, atol=1e-3)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3)])
def test_other_units_become_mm(tmp_path, head, unit, factor):
    affine = np.diag([factor, 2 * factor, 3 * factor, 1])
    image = nib.Nifti1Image(head, affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")

    volume = read_volume(tmp_path / "a.nii")

    assert volume.spacing == pytest.approx((3, 2, 1))
    assert "converted to mm" in _warning(volume)


def test_metres_that_cannot_be_are_taken_as_mm(tmp_path, head):
    image = nib.Nifti1Image(head, np.eye(4))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "a.nii")

    volume = read_volume(tmp_path / "a.nii")

    assert volume.spacing == (1, 1, 1)
    assert "impossible" in _warning(volume)


def test_nifti2_pair_and_big_endian_give_the_same_volume(tmp_path, head):
    reference = read_volume(_save(tmp_path / "a.nii", head))
    nib.save(nib.Nifti2Image(head, np.diag([1.0, 2, 3, 1])), tmp_path / "b.nii.gz")
    nib.save(nib.Nifti1Pair(head, np.diag([1.0, 2, 3, 1])), tmp_path / "c.hdr")
    big = nib.Nifti1Header(endianness=">")
    big.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(head, np.diag([1.0, 2, 3, 1]), big), tmp_path / "d.nii")

    for name in ("b.nii.gz", "c.hdr", "c.img", "d.nii"):
        volume = read_volume(tmp_path / name)
        assert np.array_equal(volume.data, reference.data), name
        assert volume.origin == reference.origin, name


@pytest.mark.parametrize(("kept", "words"), [("hdr", "a.img"), ("img", "a.hdr")])
def test_half_of_a_pair_is_refused(tmp_path, head, kept, words):
    nib.save(nib.Nifti1Pair(head, np.eye(4)), tmp_path / "a.hdr")
    (tmp_path / ("a.img" if kept == "hdr" else "a.hdr")).unlink()

    with pytest.raises(VolumeError, match=words):
        read_volumes(tmp_path / f"a.{kept}")


def test_analyze_says_that_its_sides_are_unknown(tmp_path, head):
    nib.save(nib.AnalyzeImage(head, np.diag([-1.0, 2, 3, 1])), tmp_path / "a.hdr")

    volume = read_volume(tmp_path / "a.hdr")

    assert "Analyze" in _warning(volume)
    assert volume.spacing == (3, 2, 1)


def test_stack_of_volumes_comes_apart(tmp_path, head):
    stack = np.stack([head, head + 7], axis=-1)
    volumes = read_volumes(_save(tmp_path / "sub_T1_T2.nii.gz", stack))

    assert [v.modality for v in volumes] == ["T1", "T2"]
    assert [v.name for v in volumes] == ["sub_T1_T2 [1]", "sub_T1_T2 [2]"]
    assert np.array_equal(volumes[1].data, volumes[0].data + 7)
    with pytest.raises(VolumeError, match="holds 2 volumes"):
        read_volume(tmp_path / "sub_T1_T2.nii.gz")


def test_time_series_and_vectors_are_refused(tmp_path, head):
    series = _save(tmp_path / "bold.nii", np.stack([head] * 20, axis=-1))
    vectors = _save(tmp_path / "v.nii", head.reshape(20, 24, 6, 1, 3))

    with pytest.raises(VolumeError, match="20 volumes"):
        read_volumes(series)
    with pytest.raises(VolumeError, match="vectors"):
        read_volumes(vectors)


def test_colour_and_complex_become_one_channel_with_a_warning(tmp_path, rng):
    rgb = np.zeros((20, 24, 18), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"] = rng.integers(0, 255, rgb.shape)
    colour = read_volume(_save(tmp_path / "rgb.nii", rgb))
    waves = rng.normal(size=(20, 24, 18)).astype(np.complex64) * 1j
    magnitude = read_volume(_save(tmp_path / "c.nii", waves))

    assert "colour" in _warning(colour)
    assert colour.data.max() == pytest.approx(0.299 * rgb["R"].max(), rel=1e-4)
    assert "magnitude" in _warning(magnitude)
    assert magnitude.data.min() >= 0


def test_flat_images_of_fewer_dimensions_open(tmp_path, head):
    assert read_volume(_save(tmp_path / "a.nii", head[:, :, 0])).shape == (1, 24, 20)
    assert read_volume(_save(tmp_path / "b.nii", head[:1])).shape == (18, 24, 1)


def _spoiled(kind, head):
    array = head.astype(np.float32)
    if kind == "nan":
        array[3, 3, :4] = np.nan
    if kind == "outlier":
        array[0, 0, 0] = 1e30
    if kind == "mask":
        array = (array > 400).astype(np.uint8)
    if kind == "constant":
        array[:] = 7
    if kind == "labels":
        array = np.kron(head[:5, :6, :5], np.ones((5, 5, 5))).astype(np.uint8) % 5
    if kind == "wide":
        array = (head.astype(np.uint32) + 1) * 4_000_000
    if kind == "tiny":
        array = array[:5, :7]
    return array


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nan", "4 NaN"),
        ("outlier", "outliers"),
        ("mask", "looks like a mask"),
        ("constant", "is constant"),
        ("labels", "label map"),
        ("wide", "rounded to float32"),
        ("tiny", "smaller than"),
    ],
)
def test_odd_voxels_are_said(tmp_path, head, kind, words):
    volume = read_volume(_save(tmp_path / "a.nii", _spoiled(kind, head)))

    assert words in _warning(volume)


def test_no_finite_voxel_and_too_large_values_are_refused(tmp_path):
    nothing = _save(tmp_path / "a.nii", np.full((20, 20, 20), np.nan, np.float32))
    huge = _save(tmp_path / "b.nii", np.full((20, 20, 20), 1e300))

    with pytest.raises(VolumeError, match="no finite voxel"):
        read_volumes(nothing)
    with pytest.raises(VolumeError, match="float32"):
        read_volumes(huge)


def test_hounsfield_values_tell_ct(tmp_path, head):
    assert read_volume(_save(tmp_path / "a.nii", head * 2 - 1000)).modality == "CT"


def test_sidecar_tells_modality_in_seconds(tmp_path, head):
    path = _save(tmp_path / "scan.nii.gz", head)
    (tmp_path / "scan.json").write_text(
        '{"EchoTime": 0.12, "RepetitionTime": 9, "InversionTime": 2.5}'
    )

    assert read_volume(path).modality == "FLAIR"


def test_synthetic_file_is_known_to_be_synthetic(tmp_path, volume):
    from dataclasses import replace

    from napari_medsynth.io import write_volume

    marked = replace(volume, metadata={"synthetic": True, "provenance": {"model": "m"}})
    write_volume(marked, tmp_path / "a.nii.gz")

    assert read_volume(tmp_path / "a.nii.gz").is_synthetic
    (tmp_path / "a.json").unlink()
    assert read_volume(tmp_path / "a.nii.gz").is_synthetic
