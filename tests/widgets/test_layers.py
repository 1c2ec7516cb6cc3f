"""Layers of ours and of other readers become the volume that they show."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, layer_tuple, same_grid
from napari_medsynth.io.layer_data import volume_from_layer_data
from napari_medsynth.widgets._layers import (
    layer_modality,
    like,
    unique_name,
    volume_from_layer,
)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def oblique(volume) -> Volume:
    angle = np.radians(12)
    turn = np.array(
        [
            [np.cos(angle), -np.sin(angle), 0],
            [np.sin(angle), np.cos(angle), 0],
            [0, 0, 1],
        ]
    )
    metadata = {
        "path": "/study/t1.nii.gz",
        "dtype": "int16",
        "warnings": ["uneven"],
        "synthetic": True,
        "provenance": {"model_id": "m"},
    }
    return Volume(
        volume.data,
        spacing=volume.spacing,
        origin=volume.origin,
        direction=turn,
        orientation="PIR",
        modality="T1",
        name="T1 spine",
        metadata=metadata,
    )


def add(viewer, volume, **extra):
    data, options, _ = layer_tuple(volume, **extra)
    return viewer.add_image(data, **options)


def array(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def value_at(volume: Volume, world) -> float:
    """The voxel at a position (S, P, L) [mm]."""
    index = np.rint(np.subtract(world, volume.origin) / volume.spacing).astype(int)
    return float(volume.data[0][tuple(index)])


def test_a_volume_comes_back_from_its_layer(viewer, oblique):
    back = volume_from_layer(add(viewer, oblique))

    assert same_grid(back, oblique, tolerance=1e-9)
    np.testing.assert_array_equal(back.data, oblique.data)
    assert (back.orientation, back.modality, back.name) == ("PIR", "T1", "T1 spine")
    assert dict(back.metadata) == dict(oblique.metadata)


def test_the_viewer_proxy_of_a_layer_will_do(viewer, oblique, recwarn):
    add(viewer, oblique)

    layer = PublicOnlyProxy(viewer).layers[0]

    assert type(layer) is PublicOnlyProxy
    assert same_grid(volume_from_layer(layer), oblique, tolerance=1e-9)
    assert like(layer)["scale"] == oblique.spacing
    assert not [w for w in recwarn if "Private" in str(w.message)]


def test_a_moved_layer_moves_its_volume(viewer, volume):
    layer = add(viewer, volume)
    layer.translate = np.add(layer.translate, (1, 2, 3))

    moved = volume_from_layer(layer)

    np.testing.assert_allclose(np.subtract(moved.origin, volume.origin), (1, 2, 3))


def test_a_negative_scale_is_flipped_without_moving_a_voxel(viewer):
    layer = viewer.add_image(
        array(3, 4, 5), scale=(-2, 1, -0.5), translate=(10, 20, 30), name="FLAIR"
    )

    volume = volume_from_layer(layer)

    assert volume.spacing == (2.0, 1.0, 0.5)
    assert volume.modality == "FLAIR"
    assert "axes are taken to be" in volume.warnings[0]
    for index in [(0, 0, 0), (2, 3, 4), (1, 2, 3)]:
        world = layer.data_to_world(index)
        assert value_at(volume, world) == layer.data[index]


def test_units_are_turned_into_millimetres(viewer):
    layer = viewer.add_image(
        array(2, 3, 4),
        scale=(1, 500, 0.1),
        translate=(0, 1000, 1),
        units=("mm", "um", "cm"),
    )

    volume = volume_from_layer(layer)

    np.testing.assert_allclose(volume.spacing, (1, 0.5, 1))
    np.testing.assert_allclose(volume.origin, (0, 1, 10))


def test_pixels_count_as_millimetres(viewer):
    volume = volume_from_layer(viewer.add_image(array(2, 3, 4)))

    assert volume.spacing == (1.0, 1.0, 1.0)
    assert volume.metadata["dtype"] == "float32"


def test_an_image_becomes_one_slice(viewer):
    layer = viewer.add_image(array(4, 5), scale=(0.5, 0.25), translate=(1, 2))

    volume = volume_from_layer(layer)

    assert volume.shape == (1, 4, 5)
    assert volume.spacing == (1.0, 0.5, 0.25)
    assert volume.origin == (0.0, 1.0, 2.0)


def test_a_straight_affine_counts(viewer):
    layer = viewer.add_image(
        array(3, 4, 5), scale=(2, 1, 1), affine=np.diag([1, -3, 2, 1]) + shift(0, 7, 0)
    )

    volume = volume_from_layer(layer)

    assert volume.spacing == (2.0, 3.0, 2.0)
    for index in [(0, 0, 0), (2, 3, 4), (1, 2, 3)]:
        assert value_at(volume, layer.data_to_world(index)) == layer.data[index]


def shift(*by):
    matrix = np.zeros((4, 4))
    matrix[:3, 3] = by
    return matrix


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(
    "transform",
    [
        {"rotate": (0, 10, 0)},
        {"shear": (0, 0.2, 0)},
        {
            "affine": np.array(
                [[1, 0, 0, 0], [0, 1, 0.3, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]
            )
        },
    ],
    ids=["rotate", "shear", "affine"],
)
def test_a_turned_layer_is_refused(viewer, transform):
    layer = viewer.add_image(array(3, 4, 5), name="turned", **transform)

    with pytest.raises(VolumeError, match="'turned' is rotated or sheared"):
        volume_from_layer(layer)
    with pytest.raises(VolumeError, match="'turned' is rotated or sheared"):
        like(layer)


def test_labels_colour_and_stacks_are_refused(viewer):
    labels = viewer.add_labels(np.ones((3, 4, 5), int), name="lesions")
    colour = viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="photo")
    frames = viewer.add_image(array(2, 3, 4, 5), name="perfusion")

    for layer, reason in [
        (labels, "'lesions' is a labels layer"),
        (colour, "'photo' is in colour"),
        (frames, "'perfusion' has 4 dimensions"),
    ]:
        with pytest.raises(VolumeError, match=reason):
            volume_from_layer(layer)


def test_complex_numbers_are_refused():
    kspace = array(4, 5).astype(np.complex64)

    with pytest.raises(VolumeError, match="'kspace' is complex"):
        volume_from_layer_data(kspace, {"name": "kspace"})


def test_the_kind_of_a_proxied_layer_is_named(viewer):
    viewer.add_labels(np.ones((3, 4, 5), int), name="lesions")

    with pytest.raises(VolumeError, match="is a labels layer"):
        volume_from_layer(PublicOnlyProxy(viewer).layers[0])


def test_an_empty_fourth_axis_is_dropped(viewer):
    layer = viewer.add_image(array(1, 3, 4, 5), scale=(9, 3, 2, 1))

    volume = volume_from_layer(layer)

    assert (volume.shape, volume.spacing) == ((3, 4, 5), (3.0, 2.0, 1.0))


def test_the_finest_level_of_a_pyramid_is_read(viewer):
    fine = array(4, 8, 8)
    layer = viewer.add_image([fine, fine[::2, ::2, ::2]], multiscale=True)

    np.testing.assert_array_equal(volume_from_layer(layer).data[0], fine)
    assert like(layer)["scale"] == (1.0, 1.0, 1.0)


def test_a_dask_array_is_computed(viewer):
    da = pytest.importorskip("dask.array")
    layer = viewer.add_image(da.from_array(array(3, 4, 5), chunks=2))

    np.testing.assert_array_equal(volume_from_layer(layer).data[0], array(3, 4, 5))


def test_integers_become_float32(viewer):
    volume = volume_from_layer(viewer.add_image(np.ones((3, 4, 5), np.int16)))

    assert volume.data.dtype == np.float32
    assert volume.metadata["dtype"] == "int16"


@pytest.mark.parametrize(
    "options",
    [
        {"units": ("mm",) * 3, "axis_labels": ("S", "P", "L"), "scale": (3, 1, 1)},
        {"scale": (-2, 1, -0.5), "translate": (10, 20, 30)},
        {"units": ("um",) * 3, "scale": (500, 20, 20), "translate": (10, 2, 3)},
    ],
    ids=["ours", "flipped", "micrometres"],
)
def test_a_result_like_its_source_lies_on_it(viewer, options):
    source = viewer.add_image(array(3, 4, 5), **options)
    volume = volume_from_layer(source)

    result = viewer.add_image(volume.data[0], **like(source))

    np.testing.assert_allclose(result.extent.world, source.extent.world)
    assert result.units == source.units
    assert result.axis_labels == source.axis_labels
    for index in [(0, 0, 0), (2, 3, 4), (1, 2, 3)]:
        world = source.data_to_world(index)
        found = tuple(np.rint(result.world_to_data(world)).astype(int))
        assert result.data[found] == source.data[index]


def test_a_result_like_an_image_is_one_slice(viewer):
    source = viewer.add_image(array(4, 5), scale=(0.5, 0.25), units=("mm", "mm"))

    result = viewer.add_image(array(1, 4, 5), **like(source))

    assert tuple(result.scale) == (1.0, 0.5, 0.25)
    assert result.axis_labels[0] == "S"


def test_the_modality_is_known_or_guessed_from_the_name(viewer, volume):
    assert layer_modality(add(viewer, volume, name="anything")) == "T1"
    assert layer_modality(viewer.add_image(array(2, 3, 4), name="sub-1_FLAIR")) == (
        "FLAIR"
    )
    assert layer_modality(viewer.add_image(array(2, 3, 4), name="img")) == ""


def test_a_name_is_never_given_twice(viewer):
    name = "FLAIR (synthetic: m)"

    given = []
    for _ in range(3):
        given.append(unique_name(viewer, name))
        viewer.add_image(array(2, 3, 4), name=given[-1])

    assert given == [name, f"{name} [2]", f"{name} [3]"]
