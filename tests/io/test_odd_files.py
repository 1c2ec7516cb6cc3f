"""Every odd file gets what it should, and none becomes a silently wrong volume."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_medsynth.io import read_volume, read_volumes, same_grid

ROOT = Path(__file__).resolve().parents[2]


def _load_benchmark():
    spec = importlib.util.spec_from_file_location(
        "odd_files", ROOT / "benchmarks/odd_files.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["odd_files"] = module
    spec.loader.exec_module(module)
    return module


odd_files = _load_benchmark()


def _names(kind):
    """Items of the shared data, none where they are not there."""
    from os import environ

    data = Path(environ.get("MEDSYNTH_SHARED", ROOT.parent / "shared")) / "data"
    if not (data / "odd/expected.json").is_file():
        return [pytest.param("", "load", marks=pytest.mark.skip("no shared data"))]
    items = odd_files.odd_items(data) if kind == "odd" else odd_files.real_items(data)
    return [pytest.param(n, w, id=n) for n, w in items.items()]


@pytest.mark.parametrize(("name", "wanted"), [*_names("odd"), *_names("real")])
def test_gets_what_is_wanted_for_it(shared, name, wanted):
    row = odd_files.try_file(shared / "data" / name, name, wanted)

    assert row.is_ok, row
    if row.outcome == "refuse":
        assert row.sentence.endswith(".")
        assert "\n" not in row.sentence


def _expected(shared):
    content = json.loads((shared / "data/odd/expected.json").read_text())
    return next(v for v in content.values() if isinstance(v, dict))


def _to_nibabel_index(volume, image):
    """Voxel centres of `volume` in the index space of a nibabel image, (3, Z, Y, X)."""
    grid = np.indices(volume.shape, dtype=float) * np.reshape(
        volume.spacing, (3, 1, 1, 1)
    )
    world = np.tensordot(volume.direction, grid, 1) + np.reshape(
        volume.origin, (3, 1, 1, 1)
    )
    s, p, left = world
    ras = np.stack([-left, -p, s, np.ones_like(s)])
    return np.tensordot(np.linalg.inv(image.affine), ras, 1)[:3]


def test_files_that_equal_the_reference_give_its_voxels_and_place(shared):
    odd = shared / "data/odd"
    reference = read_volume(odd / "nifti/ref_int16.nii.gz")
    names = [
        name
        for name, item in _expected(shared).items()
        if item.get("same_as") or item.get("same_world_as")
    ]

    assert len(names) > 15
    for name in names:
        volume = read_volume(odd / name)
        assert np.array_equal(volume.data, reference.data), name
        assert same_grid(volume, reference), name


@pytest.mark.parametrize(
    "name",
    [
        "ref_int16.nii.gz",
        "flipped_lr_affine.nii.gz",
        "oblique.nii.gz",
        "permuted_axes.nii.gz",
        "one_voxel_thick_sag.nii.gz",
        "scl_slope_0p01_inter_m5.nii.gz",
        "scl_slope_negative.nii.gz",
        "negative_intensities.nii.gz",
        "dtype_float64.nii.gz",
        "dtype_int64.nii.gz",
        "sform_qform_conflict.nii.gz",
        "sheared_sform.nii.gz",
        "thick_slices.nii.gz",
    ],
)
def test_each_voxel_lies_where_nibabel_puts_it(shared, name):
    nibabel = pytest.importorskip("nibabel")
    path = shared / "data/odd/nifti" / name
    image = nibabel.load(path)
    raw = np.asarray(image.dataobj, dtype=np.float64)

    volume = read_volume(path)
    index = _to_nibabel_index(volume, image)
    truth = map_coordinates(raw, np.round(index, 4), order=1, mode="nearest")
    low, high = index.min(axis=0) > -1e-3, index - np.reshape(raw.shape, (3, 1, 1, 1))
    inside = low & (high.max(axis=0) < -1 + 1e-3)

    assert inside.mean() > 0.3
    scale = np.abs(raw).max()
    assert np.allclose(volume.data[0][inside], truth[inside], atol=2e-3 * scale)
    assert np.abs(volume.data[0][inside] - truth[inside]).mean() < 1e-4 * scale


def test_sheared_head_lies_where_its_sform_says(shared):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(shared / "data/formats/shear.nii.gz")
    volume = read_volume(shared / "data/formats/shear.nii.gz")

    index = _to_nibabel_index(volume, image)[:, ::9, 40:-40:7, 20:-20:7]
    truth = map_coordinates(np.asarray(image.dataobj), index, order=1, output=float)
    inside = (index.min(axis=0) > 0) & (index[1] < image.shape[1] - 1)

    ours = volume.data[0, ::9, 40:-40:7, 20:-20:7]
    assert np.abs(ours - truth)[inside].mean() < 0.5


@pytest.fixture(scope="module")
def full_series(shared):
    return read_volume(shared / "data/odd/dicom/shuffled_names")


@pytest.mark.parametrize("name", ["duplicate_slice", "junk_files_around"])
def test_series_around_which_things_lie_equals_the_clean_one(shared, full_series, name):
    volume = read_volume(shared / "data/odd/dicom" / name)

    assert np.array_equal(volume.data, full_series.data)
    assert same_grid(volume, full_series)


def test_missing_slice_leaves_the_others_where_they_were(shared, full_series):
    volume = read_volume(shared / "data/odd/dicom/missing_slice")

    assert same_grid(volume, full_series)
    differs = np.any(volume.data[0] != full_series.data[0], axis=(1, 2))
    assert differs.sum() == 1


def test_monochrome1_is_turned_over(shared, full_series):
    volume = read_volume(shared / "data/odd/dicom/monochrome1")

    total = full_series.data.max() + full_series.data.min()
    assert np.allclose(volume.data, total - full_series.data)


def test_rescale_is_that_of_each_slice(shared):
    pydicom = pytest.importorskip("pydicom")
    folder = shared / "data/odd/dicom/rescale_differs_per_slice"
    slices = [pydicom.dcmread(p) for p in folder.iterdir()]
    slices.sort(key=lambda d: d.ImagePositionPatient[2])

    volume = read_volume(folder)

    for plane, header in zip(volume.data[0], slices, strict=True):
        real = header.pixel_array * header.RescaleSlope + header.RescaleIntercept
        assert np.allclose(plane, np.rot90(real, 2))


def test_left_and_right_follow_the_orientation_tag(shared, full_series):
    volume = read_volume(shared / "data/odd/dicom/reversed_orientation")

    assert volume.orientation != full_series.orientation
    assert np.array_equal(volume.data[0][:, ::-1], full_series.data[0])


def test_tilted_stack_is_straightened_where_its_slices_are(shared, full_series):
    volume = read_volume(shared / "data/odd/dicom/gantry_tilt_shear")

    assert volume.spacing == pytest.approx((2, 2, 2), abs=1e-3)
    drift = 1.2 / 2.0  # voxels per slice, in the direction of y
    plane, untilted = volume.data[0][3], full_series.data[0][3]
    rows = plane.sum(axis=1)
    centre = (rows * np.arange(len(rows))).sum() / rows.sum()
    world = volume.origin[1] + centre * volume.spacing[1]
    rows = untilted.sum(axis=1)
    before = (rows * np.arange(len(rows))).sum() / rows.sum()
    untilted_world = full_series.origin[1] + before * full_series.spacing[1]
    assert abs(world - untilted_world) == pytest.approx(3 * drift * 2.0, abs=0.1)


def test_all_transfer_syntaxes_give_the_same_pixels(shared, tmp_path):
    seen = []
    for path in sorted(
        (shared / "data/dicom/transfer_syntaxes_dcm_qa_ts").glob("*.dcm")
    ):
        alone = tmp_path / path.stem
        alone.mkdir()
        shutil.copy(path, alone)
        seen.append(read_volume(alone / path.name).data)

    assert len(seen) == 9
    assert all(np.array_equal(seen[0], other) for other in seen[1:])


def test_compressed_series_equals_pydicom_slice_by_slice(shared):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("openjpeg")
    folder = shared / "data/dicom/ct_abdomen_j2k_20slices"
    header = pydicom.dcmread(next(iter(sorted(folder.iterdir()))))

    volume = read_volume(folder)
    height = float(header.ImagePositionPatient[2])
    k = round((height - volume.origin[0]) / volume.spacing[0])

    real = header.pixel_array * header.RescaleSlope + header.RescaleIntercept
    assert np.array_equal(volume.data[0][k], real)
    assert volume.modality == "CT"


def test_unused_high_bits_are_masked_as_itk_does(shared, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    for path in sorted((shared / "data/dicom/bits_dcm_qa_12bit").glob("*.dcm")):
        alone = tmp_path / path.stem
        alone.mkdir()
        shutil.copy(path, alone)
        expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert np.array_equal(read_volume(alone).data[0], expected), path.name


@pytest.mark.parametrize("name", ["T1", "T2"])
def test_philips_enhanced_dicom_equals_its_nifti(shared, name):
    folder = shared / "data/dicom/nitest_balls1_phantom"
    dicom = read_volume(folder / "DICOM" / f"{name}.dcm")
    nifti = read_volume(folder / "NIFTI" / f"{name}.nii.gz")

    assert dicom.shape == nifti.shape
    assert np.allclose(dicom.spacing, nifti.spacing, rtol=1e-3)
    assert np.allclose(dicom.direction, nifti.direction, atol=1e-3)
    # Its converter placed the corner, not the centre, of the first voxel there.
    assert np.allclose(dicom.origin, nifti.origin, atol=0.51 * dicom.spacing[2])
    correlation = np.corrcoef(dicom.data.ravel(), nifti.data.ravel())[0, 1]
    assert correlation > 0.9999


def test_one_scan_in_three_formats_is_one_volume(shared):
    folder = shared / "data/formats/i2nii"
    mgz, mha, nhdr = (
        read_volume(folder / n) for n in ("mgh.mgz", "mha.mha", "nrrd.nhdr")
    )

    assert np.array_equal(mgz.data, mha.data)
    assert np.array_equal(mha.data, nhdr.data)
    assert same_grid(mha, nhdr, tolerance=0.01)
    assert same_grid(mgz, mha, tolerance=0.01)


def test_nrrd_and_nifti_of_one_scan_agree(shared):
    nrrd = read_volume(shared / "data/formats/FLAIR.nrrd")
    nifti = read_volume(shared / "data/brain/stroke_cstar/FLAIR.nii.gz")

    assert np.array_equal(nrrd.data, nifti.data)
    assert same_grid(nrrd, nifti)


def test_exif_orientation_turns_the_picture_upright(shared):
    folder = shared / "data/odd/png_tif"
    upright = read_volume(folder / "gray8.png").data[0, 0]
    stored_turned = read_volume(folder / "exif_rotated.jpg").data[0, 0]

    assert np.corrcoef(upright.ravel(), stored_turned.ravel())[0, 1] > 0.99


def test_stacked_contrasts_come_apart_in_the_order_of_the_name(shared):
    volumes = read_volumes(shared / "data/odd/nifti/4d_t1_t2_flair.nii.gz")
    reference = read_volume(shared / "data/odd/nifti/ref_int16.nii.gz")

    assert [v.modality for v in volumes] == ["T1", "T2", "FLAIR"]
    assert np.array_equal(volumes[0].data, reference.data)
    assert not np.array_equal(volumes[1].data, reference.data)
