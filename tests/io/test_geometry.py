"""All 48 orientations, oblique scans, and where a layer of each is drawn."""

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import (
    Volume,
    itk_from_volume,
    layer_metadata,
    layer_transform,
    layer_tuple,
    same_grid,
    volume_from_itk,
)
from napari_medsynth.io.geometry import obliquity, orientation_of, origin_from_translate

CODES = [
    "".join(letters)
    for axes in permutations(("LR", "PA", "SI"))
    for letters in product(*axes)
]
LETTERS = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}


def tilt(degrees=14.4):
    """Rotation about an axis that is along none of the scanner's."""
    rotation = sitk.VersorTransform()
    rotation.SetRotation((1.0, 0.6, 0.3), np.radians(degrees))
    return np.reshape(rotation.GetMatrix(), (3, 3))


def scan(code="LPS", *, rotation=None, dtype=np.int16) -> sitk.Image:
    """A random image whose axes run to the letters of `code`, then rotated."""
    matrix = np.zeros((3, 3))
    for column, letter in enumerate(code):
        matrix[LETTERS[letter], column] = 1 if letter in "LPS" else -1
    values = np.random.default_rng(1).integers(-500, 500, (4, 5, 6)).astype(dtype)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.75, 1.25, 2.5))
    image.SetOrigin((-31.5, 12.25, 80.0))
    image.SetDirection(((np.eye(3) if rotation is None else rotation) @ matrix).ravel())
    return image


def assert_same_image(got: sitk.Image, wanted: sitk.Image) -> None:
    np.testing.assert_array_equal(
        sitk.GetArrayViewFromImage(got), sitk.GetArrayViewFromImage(wanted)
    )
    assert got.GetSpacing() == wanted.GetSpacing()
    np.testing.assert_array_equal(got.GetDirection(), wanted.GetDirection())
    np.testing.assert_allclose(got.GetOrigin(), wanted.GetOrigin(), atol=1e-12)


@pytest.mark.parametrize("rotation", [None, tilt()], ids=["straight", "oblique"])
@pytest.mark.parametrize("code", CODES)
def test_every_orientation_comes_back_exactly(code, rotation):
    image = scan(code, rotation=rotation)

    volume = volume_from_itk(image)

    assert volume.orientation == code == orientation_of(image)
    assert_same_image(itk_from_volume(volume), image)


@pytest.mark.parametrize("code", CODES)
def test_every_voxel_keeps_its_place_in_the_patient(code):
    image = scan(code)
    volume = volume_from_itk(image)
    placed = layer_transform(volume)

    for index in [(0, 0, 0), (5, 4, 3), (2, 1, 0)]:  # (x, y, z) of the file
        world = np.array(image.TransformIndexToPhysicalPoint(index))[::-1]
        voxel = np.rint((world - placed["translate"]) / placed["scale"]).astype(int)
        assert volume.data[0][tuple(voxel)] == image[index]


def test_axes_grow_to_superior_posterior_left_with_labels_in_millimetres(volume):
    placed = layer_transform(volume)

    assert placed["axis_labels"] == ("S", "P", "L")
    assert placed["units"] == ("mm", "mm", "mm")
    assert placed["scale"] == volume.spacing
    assert placed["translate"] == volume.origin


def test_an_oblique_voxel_is_where_its_direction_says():
    image = scan("RAS", rotation=tilt())
    volume = volume_from_itk(image)
    lps = sitk.DICOMOrient(image, "LPS")

    world = volume.origin + volume.direction @ (np.array([3, 2, 1]) * volume.spacing)

    np.testing.assert_allclose(
        world[::-1], lps.TransformIndexToPhysicalPoint((1, 2, 3)), atol=1e-9
    )


def test_layers_of_the_same_obliquity_stay_in_register():
    whole = volume_from_itk(scan("RAS", rotation=tilt()))
    step = np.array([1, 2, 3])
    part = whole.with_data(
        whole.data[:, 1:, 2:, 3:],
        origin=tuple(whole.origin + whole.direction @ (step * whole.spacing)),
    )

    moved = np.subtract(
        layer_transform(part)["translate"], layer_transform(whole)["translate"]
    )

    np.testing.assert_allclose(moved, step * whole.spacing, atol=1e-9)


def test_translate_of_an_oblique_layer_gives_its_origin_again():
    volume = volume_from_itk(scan("ASL", rotation=tilt()))

    origin = origin_from_translate(
        layer_transform(volume)["translate"], volume.direction
    )

    np.testing.assert_allclose(origin, volume.origin, atol=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 3.0, 14.4])
def test_obliquity_is_the_largest_angle_to_an_lps_axis(degrees):
    turn = sitk.VersorTransform()
    turn.SetRotation((0.0, 0.0, 1.0), np.radians(degrees))
    image = scan("RAS", rotation=np.reshape(turn.GetMatrix(), (3, 3)))

    assert obliquity(volume_from_itk(image)) == pytest.approx(degrees, abs=1e-5)


def test_channels_become_the_first_axis_and_come_back():
    values = np.random.default_rng(2).normal(size=(4, 5, 6, 3)).astype(np.float32)
    image = sitk.GetImageFromArray(values, isVector=True)

    volume = volume_from_itk(image)

    np.testing.assert_array_equal(volume.data, np.moveaxis(values, -1, 0))
    assert_same_image(itk_from_volume(volume), image)


def test_another_orientation_can_be_asked_for(volume):
    image = itk_from_volume(volume, orientation="RAS")

    assert orientation_of(image) == "RAS"
    assert same_grid(volume_from_itk(image), volume)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"origin": (-10.0, 5.0 + 5e-4, 7.0)}, True),
        ({"origin": (-10.0, 5.01, 7.0)}, False),
        ({"spacing": (3.0, 1.0, 1.21)}, False),
        ({"direction": tilt(1)}, False),
        ({"data": np.zeros((1, 6, 40, 35), np.float32)}, False),
        ({"data": np.zeros((2, 6, 40, 36), np.float32)}, True),
    ],
)
def test_same_grid_compares_shape_spacing_origin_and_direction(volume, change, same):
    other = volume.with_data(**{"data": volume.data, **change})

    assert same_grid(volume, other) is same


def test_layer_metadata_is_plain_data(volume):
    import json

    marked = volume.with_data(
        volume.data, metadata={"synthetic": True, "provenance": {"model": "m"}}
    )

    known = json.loads(json.dumps(layer_metadata(marked)))

    assert known["modality"] == "T1"
    assert known["synthetic"] is True
    assert known["provenance"] == {"model": "m"}
    assert known["direction"] == np.eye(3).tolist()


def test_layer_tuple_adds_to_the_metadata_and_lets_options_win(volume):
    data, options, kind = layer_tuple(
        volume, name="mine", colormap="inferno", metadata={"other": 1}
    )

    assert kind == "image"
    assert data.shape == volume.shape
    assert (options["name"], options["colormap"]) == ("mine", "inferno")
    assert set(options["metadata"]) == {"medsynth", "other"}


def test_two_channels_become_two_layers(volume):
    from napari.components import ViewerModel

    pair = volume.with_data(np.concatenate([volume.data, volume.data + 1]))
    data, options, _ = layer_tuple(pair)

    layers = ViewerModel().add_image(data, **options)

    assert [layer.name for layer in layers] == ["T1 [0]", "T1 [1]"]
    np.testing.assert_array_equal(layers[1].data, pair.data[1])
    for layer in layers:
        np.testing.assert_array_equal(layer.scale, volume.spacing)
        assert layer.metadata["medsynth"]["modality"] == "T1"


def test_a_volume_needs_four_axes_and_positive_spacing():
    with pytest.raises(VolumeError, match="C, Z, Y, X"):
        Volume(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(VolumeError, match="positive"):
        Volume(np.zeros((1, 2, 3, 4), np.float32), spacing=(1.0, 0.0, 1.0))
