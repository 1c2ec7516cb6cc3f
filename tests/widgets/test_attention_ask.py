"""Places in the world become pixels of slices, whatever marks them."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study
from napari_medsynth.io.geometry import layer_transform
from napari_medsynth.widgets._attention_ask import (
    Ask,
    ask_along,
    ask_at,
    marks_of,
    pixels_of,
)
from napari_medsynth.widgets._attention_pins import Asks
from napari_medsynth.widgets._attention_regions import ask_of_layer, is_region
from napari_medsynth.widgets._request import Request
from napari_medsynth.widgets.parts.options_box import RunOptions

PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}


@pytest.fixture
def make_request(volume, unified):
    def make(plane="axial"):
        place = layer_transform(volume)
        return Request(
            Study({"T1": volume}), unified, ("T2",), place, {}, RunOptions(plane)
        )

    return make


def world(volume, *voxel):
    return np.add(volume.origin, np.multiply(voxel, volume.spacing))


@pytest.mark.parametrize(("plane", "axis"), PLANES.items())
def test_a_click_is_the_pixel_under_it(make_request, volume, plane, axis):
    voxel = (2, 11, 7)
    nearby = world(volume, 2.3, 10.8, 7.4)  # nearest voxel: (2, 11, 7)
    mask = pixels_of(ask_at(nearby), make_request(plane))
    expected = tuple(np.delete(voxel, axis))
    assert [tuple(p) for p in np.argwhere(mask)] == [expected]


def test_a_click_outside_is_no_pixel(make_request, volume):
    assert not pixels_of(ask_at(world(volume, 2, -1, 7)), make_request()).any()


def test_a_drawn_line_asks_about_what_it_encloses(make_request, volume):
    corners = [(2, 9.6, 4.6), (2, 9.6, 8.4), (2, 14.4, 8.4), (2, 14.4, 4.6)]
    path = [tuple(world(volume, *c)) for c in corners]
    mask = pixels_of(ask_along(path, make_request()), make_request())
    expected = np.zeros((40, 36), bool)
    expected[10:15, 5:9] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_line_as_short_as_a_voxel_is_a_click(make_request, volume):
    path = [tuple(world(volume, 2, 10, 7)), tuple(world(volume, 2, 10.9, 7.9))]
    ask = ask_along(path, make_request())
    assert not ask.areas
    np.testing.assert_allclose(ask.places, [path[0]])


def test_the_same_place_on_another_slice(volume):
    ask = ask_at(world(volume, 2, 11, 7)).moved_to(world(volume, 4, 0, 0), 0)
    np.testing.assert_allclose(ask.places, [world(volume, 4, 11, 7)])


def test_an_outline_is_closed_and_on_the_line(volume):
    square = np.array([[0.0, 0, 0], [0, 10, 0], [0, 10, 10], [0, 0, 10]])
    marks = marks_of(Ask(square[0], areas=(square,)), most=40)
    assert len(marks) == 40
    on_side = np.isclose(marks[:, 1:] % 10, 0).any(axis=1)
    assert on_side.all()
    assert (marks[:, 1] == 0).sum() >= 10  # the side that closes it


def test_points_of_the_slice_and_selected_ones_first(make_request, volume):
    viewer = ViewerModel()
    data = [world(volume, 2, 5, 5), world(volume, 2, 6, 6), world(volume, 3, 7, 7)]
    layer = viewer.add_points(np.array(data))
    layer.selected_data = set()
    here = world(volume, 2, 0, 0)
    ask = ask_of_layer(layer, make_request(), here)
    np.testing.assert_allclose(ask.places, data[:2])
    layer.selected_data = {1}
    ask = ask_of_layer(layer, make_request(), here)
    np.testing.assert_allclose(ask.places, data[1:2])


@pytest.mark.parametrize(("plane", "axis"), PLANES.items())
def test_labels_give_the_pixels_of_the_selected_label(
    make_request, volume, plane, axis
):
    labels = np.zeros(volume.shape, int)
    labels[1:4, 10:13, 5:9] = 2
    labels[1:4, 20:22, 5:9] = 3
    layer = ViewerModel().add_labels(labels, **layer_transform(volume))
    layer.selected_label = 2
    point = world(volume, 2, 11, 6)
    request = make_request(plane)
    mask = pixels_of(ask_of_layer(layer, request, point), request)
    voxel = (2, 11, 6)[axis]
    np.testing.assert_array_equal(mask, np.take(labels, voxel, axis) == 2)


def test_a_label_that_is_not_here_means_all_that_are(make_request, volume):
    labels = np.zeros(volume.shape, int)
    labels[2, 20:22, 5:9] = 3
    layer = ViewerModel().add_labels(labels, **layer_transform(volume))
    request = make_request()
    ask = ask_of_layer(layer, request, world(volume, 2, 0, 0))
    np.testing.assert_array_equal(pixels_of(ask, request), labels[2] == 3)


def test_an_ellipse_is_round(make_request, volume):
    corners = [world(volume, 2, *c) for c in ((5, 5), (5, 25), (25, 25), (25, 5))]
    layer = ViewerModel().add_shapes([np.array(corners)], shape_type="ellipse")
    request = make_request()
    mask = pixels_of(ask_of_layer(layer, request, world(volume, 2, 0, 0)), request)
    rows, columns = np.ogrid[:40, :36]
    disc = (rows - 15) ** 2 + (columns - 15) ** 2 < 10**2
    assert np.mean(mask != disc) < 0.02
    assert not mask[6, 6]  # the corner of its box


def test_a_layer_without_marks_here_is_one_sentence(make_request, volume):
    layer = ViewerModel().add_points(np.array([world(volume, 2, 5, 5)]), name="P")
    with pytest.raises(VolumeError, match="'P' marks nothing on this slice"):
        ask_of_layer(layer, make_request(), world(volume, 4, 0, 0))


def test_only_layers_of_the_user_mark_regions():
    viewer = ViewerModel()
    mine = {"medsynth": {"role": "other"}}
    assert is_region(viewer.add_points())
    assert not is_region(viewer.add_points(metadata=mine))
    assert not is_region(viewer.add_image(np.zeros((2, 3))))


def test_pins_stay_and_the_current_query_follows():
    asks = Asks()
    assert not asks.pin()
    asks.current = ask_at((1.0, 2, 3))
    assert asks.pin()
    asks.current = ask_at((1.0, 5, 6))
    asks.at((9.0, 0, 0), 0)
    assert asks.pins[0].point[0] == 1
    assert asks.current.point[0] == 9
    assert asks.pin()
    assert [a.number for a in asks.pins] == [1, 2]
    assert asks.pins[0].colour != asks.pins[1].colour
    asks.unpin(1)
    asks.current = ask_at((1.0, 5, 6))
    asks.pin()
    assert [a.number for a in asks.pins] == [2, 1]  # its colour is free again
    assert asks.find(1) is asks.pins[1]
