"""Resampling to one grid, against images that are known in every point of space."""

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study, Volume, same_grid, volume_from_itk
from napari_medsynth.io.geometry import obliquity
from napari_medsynth.prepare import to_grid

SLOPE = np.array([0.7, -1.3, 2.1])  # per mm along (S, P, L)


def rotation(degrees, axis=(1.0, 0.6, 0.3)):
    turn = sitk.VersorTransform()
    turn.SetRotation(axis, np.radians(degrees))
    return np.reshape(turn.GetMatrix(), (3, 3))


def world_of(volume: Volume) -> np.ndarray:
    """Position (S, P, L) [mm] of every voxel, shape (Z, Y, X, 3)."""
    index = np.stack(np.indices(volume.shape), axis=-1)
    return (index * volume.spacing) @ volume.direction.T + volume.origin


def ramp(shape, spacing, centre=(0, 0, 0), direction=None, **fields) -> Volume:
    """A volume whose value is linear in the world, around `centre`."""
    direction = np.eye(3) if direction is None else direction
    half = (np.array(shape) - 1) / 2 * spacing
    blank = Volume(
        np.zeros((1, *shape), np.float32),
        spacing=spacing,
        origin=tuple(np.array(centre) - direction @ half),
        direction=direction,
        **fields,
    )
    values = 100 + world_of(blank) @ SLOPE
    return blank.with_data(values[np.newaxis].astype(np.float32))


@pytest.fixture
def native() -> Study:
    """Three grids: coarse and oblique, fine, oblique in another way."""
    return Study(
        {
            "FLAIR": ramp((8, 20, 18), (3.0, 1.5, 1.5), direction=rotation(8)),
            "T1": ramp((40, 60, 50), (1.0, 1.0, 1.2), centre=(2, -1, 1)),
            "T2": ramp((16, 40, 40), (3.5, 1.1, 1.1), direction=rotation(-6)),
        },
        subject="p04",
        notes=("read",),
    )


def test_a_linear_ramp_in_the_world_is_reproduced_on_an_oblique_grid(native):
    aligned = to_grid(native, "FLAIR")

    expected = 100 + world_of(native["FLAIR"]) @ SLOPE
    for modality in ("T1", "T2"):
        volume = aligned[modality]
        assert same_grid(volume, native["FLAIR"])
        assert obliquity(volume) > 5
        np.testing.assert_allclose(volume.data[0], expected, atol=1e-3)


def test_volumes_of_the_reference_grid_are_the_same_objects(study):
    aligned = to_grid(study, "T1")

    assert all(aligned[name] is study[name] for name in study.modalities)
    assert aligned.notes == ()


def test_order_subject_and_notes_are_kept(native):
    aligned = to_grid(native, "T1")

    assert aligned.modalities == native.modalities
    assert aligned.subject == "p04"
    assert aligned.notes == (
        "read",
        "FLAIR resampled to the grid of T1, of which it covers 14%.",
        "T2 resampled to the grid of T1, of which it covers 54%.",
    )
    assert aligned["T1"] is native["T1"]


def test_only_the_wanted_modalities_and_the_reference_are_kept(native):
    assert to_grid(native, "T1", ["T2"]).modalities == ("T1", "T2")
    assert to_grid(native, "T1", []).modalities == ("T1",)


def test_outside_its_field_of_view_a_volume_takes_its_minimum(native):
    wide = ramp((30, 60, 60), (4.0, 2.0, 2.0))
    study = Study({"CT": wide, "T1": native["T1"].with_data(native["T1"].data - 900)})

    moved = to_grid(study, "CT")["T1"].data

    assert moved[0, 0, 0, 0] == study["T1"].data.min() < -900


def test_the_file_type_of_an_interpolated_volume_is_forgotten(native):
    marked = native["T2"].with_data(
        native["T2"].data, metadata={"dtype": "int16", "path": "t2.nii"}
    )

    moved = to_grid(Study({**native.volumes, "T2": marked}), "T1")["T2"]

    assert moved.metadata == {"path": "t2.nii"}


def test_every_channel_is_resampled(native):
    t2 = native["T2"]
    pair = t2.with_data(np.concatenate([t2.data, -t2.data]))

    moved = to_grid(Study({**native.volumes, "T2": pair}), "FLAIR")["T2"].data

    expected = 100 + world_of(native["FLAIR"]) @ SLOPE
    np.testing.assert_allclose(moved[0], expected, atol=1e-3)
    np.testing.assert_allclose(moved[1], -expected, atol=1e-3)


def test_one_slice_can_be_the_reference():
    study = Study(
        {
            "T1": ramp((12, 20, 20), (2.0, 2.0, 2.0)),
            "T2": ramp((1, 20, 20), (5.0, 1.5, 1.5), centre=(1, 0, 0)),
        }
    )

    moved = to_grid(study, "T2")["T1"].data[0]

    np.testing.assert_allclose(moved, 100 + world_of(study["T2"]) @ SLOPE, atol=1e-3)


def test_a_voxel_that_is_not_a_number_does_not_decide_the_background(native):
    t2 = native["T2"]
    data = t2.data.copy()
    data[0, 8, 20, 20] = np.nan
    wide = ramp((30, 60, 60), (4.0, 2.0, 2.0))

    moved = to_grid(Study({"T1": wide, "T2": t2.with_data(data)}), "T1")["T2"].data

    assert moved[0, 0, 0, 0] == np.nanmin(data)


@pytest.mark.parametrize("shift", [70, 500])
def test_fields_of_view_that_hardly_overlap_are_refused(shift):
    study = Study(
        {
            "T1": ramp((20, 40, 40), (4.0, 2.0, 2.0)),
            "T2": ramp((20, 40, 40), (4.0, 2.0, 2.0), centre=(shift, 0, 0)),
        }
    )

    with pytest.raises(VolumeError, match="T2 and T1 need the same field of view"):
        to_grid(study, "T1")


def test_a_thin_slab_inside_the_reference_is_accepted():
    study = Study(
        {
            "T1": ramp((60, 40, 40), (2.0, 2.0, 2.0)),
            "T2": ramp((3, 40, 40), (5.0, 2.0, 2.0), centre=(20, 0, 0)),
        }
    )

    assert to_grid(study, "T1").notes[0].endswith("covers 12%.")


def test_a_modality_that_is_not_there_is_named(native):
    with pytest.raises(VolumeError, match="no PD; it has FLAIR, T1, T2"):
        to_grid(native, "PD")
    with pytest.raises(VolumeError, match="no CT"):
        to_grid(native, "T1", ["CT"])


def test_three_native_grids_of_one_session_fall_on_each_other(shared):
    folder = shared / "data/brain/ms_longitudinal_p04_native"
    study = Study(
        {
            name: volume_from_itk(sitk.ReadImage(str(folder / f"{name}.nii.gz")))
            for name in ("FLAIR", "T1W", "T2W")
        }
    )

    aligned = to_grid(study, "FLAIR")

    assert len(aligned.notes) == 2
    heads = {}
    for name in aligned.modalities:
        assert same_grid(aligned[name], study["FLAIR"])
        data = aligned[name].data[0]
        heads[name] = data > 0.25 * np.percentile(data, 98)
    for name in ("T1W", "T2W"):  # the same head: its outline overlaps
        both = 2 * (heads[name] & heads["FLAIR"]).sum()
        assert both / (heads[name].sum() + heads["FLAIR"].sum()) > 0.8
