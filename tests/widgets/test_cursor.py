"""Where the mouse is in the patient, and the values of all layers there."""

import itertools

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.io import read_volume
from napari_medsynth.io.geometry import layer_tuple, volume_from_itk
from napari_medsynth.widgets._cursor import (
    in_directions,
    patient_position,
    spot_under,
    value_at,
)

TURN = [[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]


@pytest.fixture
def layer(viewer):
    """An image whose voxels are numbered, in a world of millimetres."""
    return viewer.add_image(
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        scale=(3, 1, 2),
        translate=(10, -5, 7),
        units=("mm",) * 3,
        name="T1",
        metadata={"medsynth": {"direction": np.eye(3).tolist(), "modality": "T1"}},
    )


def look_at(viewer, point):
    """Put slice and mouse where they would be."""
    viewer.dims.point = point
    viewer.cursor.position = tuple(point)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ((30.1, -4.0, 12.3), "12.3 mm L, 4.0 mm A, 30.1 mm S"),
        ((-30.1, 4.0, -12.3), "12.3 mm R, 4.0 mm P, 30.1 mm I"),
        ((0.0, -0.04, -0.06), "0.1 mm R, 0.0 mm P, 0.0 mm S"),
        ((float("nan"), 1.0, -1.0), "1.0 mm R, 1.0 mm P"),
    ],
)
def test_directions_of_the_patient(position, text):
    assert in_directions(position) == text


@pytest.mark.parametrize("is_oblique", [False, True])
@pytest.mark.parametrize("code", ["LPS", "RAS", "PIR", "SAL", "ILA", "ARI"])
def test_the_position_is_that_of_the_file(viewer, code, is_oblique):
    """SimpleITK says where the voxel is; ours must say the same of the layer."""
    turn = np.array(TURN) if is_oblique else np.eye(3)
    image = sitk.DICOMOrient(sitk.Image(5, 6, 7, sitk.sitkFloat32), code)
    image.SetDirection((turn @ np.reshape(image.GetDirection(), (3, 3))).ravel())
    image.SetSpacing((0.7, 1.1, 2.3))
    image.SetOrigin((-31.0, 12.0, 77.0))
    index = (1, 4, 2)
    image[index] = 9.0
    data, options, _ = layer_tuple(volume_from_itk(image))
    layer = viewer.add_image(data, contrast_limits=(0, 9), **options)

    shown = layer.data_to_world(np.argwhere(layer.data == 9)[0])
    look_at(viewer, shown)
    left, posterior, superior = image.TransformIndexToPhysicalPoint(index)

    expected = (superior, posterior, left)
    np.testing.assert_allclose(patient_position(shown, layer), expected, atol=1e-4)
    spot = spot_under(viewer)
    assert spot.position == in_directions(expected)
    assert spot.readings[0].text == "9"
    assert ("Oblique" in spot.note) == is_oblique


def test_the_letters_of_a_known_place(viewer):
    """The last voxel of an RAS file is right to left +, anterior +, superior +."""
    image = sitk.Image(11, 11, 11, sitk.sitkFloat32)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # RAS
    image[0, 10, 10] = 9.0  # at the patient's left end, anterior, superior
    image.SetOrigin((5.0, 5.0, -5.0))
    data, options, _ = layer_tuple(volume_from_itk(image))
    layer = viewer.add_image(data, contrast_limits=(0, 9), **options)
    look_at(viewer, layer.data_to_world(np.argwhere(layer.data == 9)[0]))
    assert spot_under(viewer).position == "5.0 mm L, 5.0 mm A, 5.0 mm S"


@pytest.mark.parametrize(
    "name", ["ms_lesjak_p07/FLAIR", "stroke_cstar/T1", "ms_longitudinal_p04_native/T1W"]
)
def test_the_position_in_a_real_scan_is_what_nibabel_says(viewer, shared, name):
    """nibabel's world is RAS: left and posterior are its negatives."""
    path = shared / "data" / "brain" / f"{name}.nii.gz"
    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    data, options, _ = layer_tuple(read_volume(path))
    layer = viewer.add_image(data, contrast_limits=(0, 1), **options)
    code = "".join(nibabel.aff2axcodes(image.affine))
    for share in ((0.3, 0.6, 0.4), (0.8, 0.2, 0.7)):
        index = np.multiply(share, values.shape).astype(int)
        right, anterior, superior = nibabel.affines.apply_affine(image.affine, index)
        lps = [  # S, P, L of the array of the layer
            index[code.translate(str.maketrans("LPI", "RAS")).index(letter)]
            for letter in "SAR"
        ]
        for axis, letter in enumerate("SPL"):
            if letter not in code:
                lps[axis] = layer.data.shape[axis] - 1 - lps[axis]
        assert layer.data[tuple(lps)] == pytest.approx(values[tuple(index)])
        point = layer.data_to_world(lps)
        expected = (superior, -anterior, -right)
        np.testing.assert_allclose(patient_position(point, layer), expected, atol=1e-2)


def test_values_are_those_of_the_nearest_voxel(layer):
    for index in itertools.product(range(2), range(3), range(4)):
        at = np.array((10, -5, 7)) + np.multiply(index, (3, 1, 2))
        for shift in (-0.45, 0.0, 0.45):
            point = at + shift * np.array((3, 1, 2))
            assert value_at(layer, point) == layer.data[index]


@pytest.mark.parametrize("point", [(8.4, -5, 7), (10, -2.4, 7), (10, -5, 14.1)])
def test_outside_is_no_value(layer, point):
    assert value_at(layer, point) is None


def test_every_layer_is_read_topmost_first(viewer, layer):
    hidden = viewer.add_image(
        np.full((1, 1, 1), 0.25),
        scale=(6, 3, 8),
        translate=(11.5, -4, 10),
        units=("mm",) * 3,
        name="coarse",
        visible=False,
    )
    labels = np.zeros((2, 3, 4), int)
    labels[1, 2, 3] = 7
    viewer.add_labels(
        labels,
        name="lesion",
        scale=layer.scale,
        translate=layer.translate,
        units=("mm",) * 3,
    )
    viewer.add_points(np.zeros((1, 3)), units=("mm",) * 3)
    look_at(viewer, (13, -3, 13))

    spot = spot_under(viewer)
    assert [(r.name, r.text) for r in spot.readings] == [
        ("lesion", "7"),
        ("coarse", "0.25"),
        ("T1", "23"),
    ]
    assert [r.is_visible for r in spot.readings] == [True, False, True]
    assert spot.line() == "13.0 mm L, 3.0 mm A, 13.0 mm S | lesion: 7; T1: 23"
    hidden.visible = True
    assert "coarse: 0.25" in spot_under(viewer).line()


def test_the_slice_moves_the_position_while_the_mouse_rests(viewer, layer):
    look_at(viewer, (10, -4, 9))
    before = spot_under(viewer)
    viewer.dims.set_current_step(0, 1)
    after = spot_under(viewer)
    assert (before.position, before.readings[0].text) == (
        "9.0 mm L, 4.0 mm A, 10.0 mm S",
        "5",
    )
    assert (after.position, after.readings[0].text) == (
        "9.0 mm L, 4.0 mm A, 13.0 mm S",
        "17",
    )


def test_other_planes_are_read_too(viewer, layer):
    viewer.dims.order = (2, 0, 1)  # sagittal
    look_at(viewer, (13, -3, 9))
    viewer.cursor.position = (13.0, -3.0, 0.0)
    assert spot_under(viewer).position == "9.0 mm L, 3.0 mm A, 13.0 mm S"
    assert spot_under(viewer).readings[0].text == "21"


def test_ct_is_in_hounsfield_units_and_its_maps_are_not(viewer):
    data = np.full((2, 3, 4), -1000.0, np.float32)
    facts = {"modality": "CT"}
    viewer.add_image(data, name="CT", metadata={"medsynth": facts})
    facts = {"modality": "CT", "role": "difference"}
    viewer.add_image(data, name="d", metadata={"medsynth": facts})
    look_at(viewer, (0, 0, 0))
    assert [r.text for r in spot_under(viewer).readings] == ["-1000", "-1000 HU"]


def test_centimetres_become_millimetres(viewer):
    layer = viewer.add_image(
        np.zeros((2, 3, 4)), scale=(0.3, 0.1, 0.2), units=("cm",) * 3
    )
    point = layer.data_to_world((1, 2, 3))
    np.testing.assert_allclose(patient_position(point, layer), (3, 2, 6))


def test_pixels_are_no_place_in_a_patient(viewer):
    viewer.add_image(np.zeros((5, 6, 7)), scale=(2, 1, 1))
    look_at(viewer, (4, 3, 5))
    spot = spot_under(viewer)
    assert spot.position == "z 2, y 3, x 5"
    assert "no voxel size" in spot.note


def test_a_foreign_image_has_assumed_axes(viewer):
    viewer.add_image(np.zeros((5, 6, 7)), units=("mm",) * 3)
    look_at(viewer, (4, 3, 5))
    spot = spot_under(viewer)
    assert spot.position == "5.0 mm L, 3.0 mm P, 4.0 mm S"
    assert "taken to be" in spot.note


def test_a_2d_image_has_no_height(viewer):
    viewer.add_image(np.zeros((6, 7)), units=("mm",) * 2)
    look_at(viewer, (3, 5))
    assert spot_under(viewer).position == "5.0 mm L, 3.0 mm P"


def test_scans_of_other_angles_are_told_apart(viewer, layer):
    viewer.add_image(
        layer.data,
        units=("mm",) * 3,
        name="tilted",
        metadata={"medsynth": {"direction": TURN}},
    )
    look_at(viewer, (10, -5, 7))
    viewer.layers.selection.active = layer
    assert spot_under(viewer).note.endswith("that of T1.")
    assert spot_under(viewer).position == "7.0 mm L, 5.0 mm A, 10.0 mm S"
    viewer.layers.selection.active = viewer.layers["tilted"]
    assert spot_under(viewer).note.endswith("that of tilted.")
    # turned back by hand: 0.96 * 10 - 0.28 * -5, 0.28 * 10 + 0.96 * -5
    assert spot_under(viewer).position == "7.0 mm L, 2.0 mm A, 11.0 mm S"


def test_3d_has_no_voxel_under_the_mouse(viewer, layer):
    viewer.dims.ndisplay = 3
    spot = spot_under(viewer)
    assert spot.position == ""
    assert spot.readings[0].text == ""
    assert spot.line() == ""


def test_an_empty_viewer_has_nothing_to_tell(viewer):
    assert spot_under(viewer).line() == ""


def test_a_colour_and_a_multiscale_image_are_read(viewer):
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[1, 2] = (1, 20, 255)
    viewer.add_image(colour, rgb=True)
    big = np.arange(64.0).reshape(8, 8)
    viewer.add_image([big, big[::2, ::2]], multiscale=True)
    look_at(viewer, (1, 2))
    texts = [r.text for r in spot_under(viewer).readings]
    assert texts[1] == "1, 20, 255"
    assert texts[0] != ""
