"""NRRD, MetaImage and MGZ files."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, read_volumes, same_grid

sitk = pytest.importorskip("SimpleITK")


@pytest.fixture
def image(rng):
    made = sitk.GetImageFromArray(rng.integers(0, 900, (18, 24, 20)).astype(np.int16))
    made.SetSpacing((1.0, 2.0, 3.0))
    made.SetOrigin((5.0, 6.0, 7.0))
    return made


def save(path, image, *, packed=False):
    sitk.WriteImage(image, str(path), packed)
    return path


def words_of(volume):
    return " ".join(volume.warnings)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True])
def test_voxels_and_place_are_kept(tmp_path, image, name, packed):
    volume = read_volume(save(tmp_path / name, image, packed=packed))

    assert np.array_equal(volume.data[0], sitk.GetArrayFromImage(image))
    assert volume.spacing == (3, 2, 1)
    assert volume.origin == (7, 6, 5)
    assert volume.warnings == []
    assert volume.metadata["dtype"] == "int16"


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("packed", [False, True])
def test_cut_off_file_is_refused_without_noise(tmp_path, image, name, packed, capfd):
    path = save(tmp_path / name, image, packed=packed)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(VolumeError, match=rf"{name} is cut off"):
        read_volumes(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "data"), [("a.nhdr", "a.raw"), ("a.mhd", "a.raw")])
def test_missing_data_file_is_named(tmp_path, image, name, data):
    save(tmp_path / name, image)
    (tmp_path / data).unlink()

    with pytest.raises(VolumeError, match=rf"{name} needs its voxels in {data}"):
        read_volumes(tmp_path / name)


def test_damaged_data_file_is_named(tmp_path, image):
    save(tmp_path / "a.nhdr", image, packed=True)
    data = tmp_path / "a.raw.gz"
    data.write_bytes(data.read_bytes()[:-200])

    with pytest.raises(VolumeError, match=r"a\.raw\.gz is damaged"):
        read_volumes(tmp_path / "a.nhdr")


def _nrrd(path, fields, array):
    lines = "\n".join(f"{key}: {value}" for key, value in fields.items())
    path.write_bytes(f"NRRD0004\n{lines}\n\n".encode() + array.tobytes())
    return path


def _fields(**more):
    base = {"type": "short", "dimension": 3, "sizes": "20 24 18", "encoding": "raw"}
    return {**base, "endian": "little", **more}


def test_ras_space_is_turned_to_lps(tmp_path, image):
    ras = sitk.GetArrayFromImage(image)
    fields = _fields(space="right-anterior-superior")
    fields["space directions"] = "(-1,0,0) (0,-2,0) (0,0,3)"
    fields["space origin"] = "(-5,-6,7)"

    volume = read_volume(_nrrd(tmp_path / "a.nrrd", fields, ras))

    assert same_grid(volume, read_volume(save(tmp_path / "b.nrrd", image)))
    assert np.array_equal(volume.data[0], ras)


def test_absent_space_and_other_units_are_said(tmp_path, image):
    array = sitk.GetArrayFromImage(image)
    bare = _nrrd(tmp_path / "a.nrrd", _fields(spacings="1 2 3"), array)
    directions = "(1,0,0) (0,2,0) (0,0,3)"
    fields = _fields(space="LPS", **{"space directions": directions})
    fields["space units"] = '"um" "um" "um"'

    assert "no space field" in words_of(read_volume(bare))
    other = read_volume(_nrrd(tmp_path / "b.nrrd", fields, array))
    assert "is in um" in words_of(other)


def test_vector_voxels_become_volumes(tmp_path, image):
    pair = sitk.Compose(image, image * 2)

    volumes = read_volumes(save(tmp_path / "T1_T2.mha", pair))

    assert [v.modality for v in volumes] == ["T1", "T2"]
    assert np.array_equal(volumes[1].data, 2 * volumes[0].data)


def test_four_dimensions_become_volumes(tmp_path, image):
    both = sitk.JoinSeries(image, image * 3)

    volumes = read_volumes(save(tmp_path / "a.nrrd", both))

    assert len(volumes) == 2
    assert same_grid(*volumes)
    assert np.array_equal(volumes[1].data, 3 * volumes[0].data)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_empty_and_foreign_files_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(VolumeError, match="empty"):
        read_volumes(tmp_path / name)

    (tmp_path / name).write_text("something else")
    with pytest.raises(VolumeError, match=name):
        read_volumes(tmp_path / name)


def test_impossible_size_is_refused_before_memory_is_asked_for(tmp_path, image):
    fields = _fields(sizes="90000 90000 9000", spacings="1 1 1")
    path = _nrrd(tmp_path / "a.nrrd", fields, sitk.GetArrayFromImage(image))

    with pytest.raises(VolumeError, match="GiB"):
        read_volumes(path)


def test_mgz_keeps_voxels_and_place_and_is_refused_when_cut(tmp_path, rng):
    nibabel = pytest.importorskip("nibabel")
    array = rng.integers(0, 900, (20, 24, 18)).astype(np.int16)
    affine = np.array([[-1, 0, 0, 5], [0, 0, 2, 6], [0, -3, 0, 7], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.MGHImage(array, affine), tmp_path / "a.mgz")
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "b.nii")

    ours = read_volume(tmp_path / "a.mgz")

    assert np.array_equal(ours.data, read_volume(tmp_path / "b.nii").data)
    assert same_grid(ours, read_volume(tmp_path / "b.nii"))
    content = (tmp_path / "a.mgz").read_bytes()
    (tmp_path / "a.mgz").write_bytes(content[: len(content) // 2])
    with pytest.raises(VolumeError, match="cut off"):
        read_volumes(tmp_path / "a.mgz")
