"""Layers in a second viewer, and viewers at one place."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_medsynth.widgets._cross_lines import CrossLines
from napari_medsynth.widgets._layer_mirror import LayerMirror
from napari_medsynth.widgets._view_link import PLANES, ViewLink


@pytest.fixture
def other():
    return ViewerModel()


@pytest.fixture
def mirror(viewer, add, other, qtbot):
    add(viewer, "T1", "T2")
    made = LayerMirror(viewer, other)
    qtbot.waitUntil(lambda: not made.is_busy)
    yield made
    made.close()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_copies_share_their_voxels(mirror, viewer, other):
    assert names(other) == ["T1", "T2"]
    for layer, copy in zip(viewer.layers, other.layers, strict=True):
        assert np.shares_memory(layer.data, copy.data)
        assert copy.units == layer.units


def test_copies_look_as_their_layers_do(mirror, viewer, other):
    layer, copy = viewer.layers["T1"], other.layers["T1"]
    layer.contrast_limits, layer.gamma = (3, 300), 0.5
    layer.colormap, layer.opacity = "red", 0.4
    layer.visible = False
    assert tuple(copy.contrast_limits) == (3, 300)
    assert (copy.gamma, copy.opacity, copy.visible) == (0.5, 0.4, False)
    assert copy.colormap.name == "red"
    layer.data = layer.data + 1
    assert copy.data is layer.data


def test_layers_that_come_go_and_move_are_followed(mirror, viewer, other, qtbot):
    viewer.add_labels(np.ones((6, 40, 36), int), name="lesions")
    qtbot.waitUntil(lambda: names(other) == ["T1", "T2", "lesions"])
    viewer.layers.move(0, 3)
    qtbot.waitUntil(lambda: names(other) == ["T2", "lesions", "T1"])
    viewer.layers.remove("T2")
    assert names(other) == ["lesions", "T1"]


def test_what_is_painted_in_place_is_drawn_again(mirror, viewer, other, qtbot):
    drawn = []
    other.layers["T1"].events.set_data.connect(lambda event: drawn.append(1))
    viewer.layers["T1"].refresh()
    qtbot.wait(300)  # the first time, the slice may be new
    drawn.clear()
    viewer.layers["T1"].data[...] = 7
    viewer.layers["T1"].refresh()
    qtbot.waitUntil(lambda: len(drawn) == 1)


def test_scrolling_draws_nothing_again_elsewhere(mirror, viewer, other, qtbot):
    other.dims.order = (1, 0, 2)
    drawn = []
    other.layers["T1"].events.set_data.connect(lambda event: drawn.append(1))
    for index in range(5):
        viewer.dims.set_current_step(0, index)
    qtbot.wait(300)
    assert not drawn


def test_a_closed_mirror_follows_no_more(mirror, viewer, other):
    mirror.close()
    viewer.layers["T1"].visible = False
    assert other.layers["T1"].visible


@pytest.fixture
def views(viewer, add, qtbot):
    """Axial, coronal and sagittal views of T1."""
    add(viewer, "T1")
    others = [ViewerModel(), ViewerModel()]
    for model, order in zip(others, PLANES[1:], strict=True):
        data, options, _ = viewer.layers[0].as_layer_data_tuple()
        model.add_image(data, **{**options, "name": "T1"})
        model.dims.order = order
    for model in (viewer, *others):
        model.reset_view()
    return [viewer, *others]


@pytest.fixture
def link(views):
    made = ViewLink(views)
    yield made
    made.close()


@pytest.mark.parametrize("mover", [0, 1, 2])
def test_the_point_is_the_same_everywhere(link, views, mover):
    views[mover].dims.point = (-4.0, 20.0, 19.0)
    for view in views:
        np.testing.assert_allclose(view.dims.point, (-4.0, 20.0, 19.0))


@pytest.mark.parametrize("mover", [0, 1, 2])
def test_zoom_keeps_its_ratio_and_shared_axes_their_place(link, views, mover):
    before = [view.scene.camera.zoom for view in views]
    leader = views[mover].scene.camera
    leader.zoom = 3 * leader.zoom
    ratios = [v.scene.camera.zoom / b for v, b in zip(views, before, strict=True)]
    np.testing.assert_allclose(ratios, 3)
    center = {0: -3.5, 1: 22.0, 2: 15.0}
    axes = views[mover].dims.displayed
    leader.center = (0, *(center[axis] for axis in axes))
    for view in views:
        shown = zip(view.dims.displayed, view.scene.camera.center[-2:], strict=True)
        for axis, place in shown:
            if axis in axes:
                assert place == pytest.approx(center[axis])


def press(link, view, position, *moves, button=1):
    event = SimpleNamespace(
        button=button, modifiers=(), pos=(10, 10), position=position, type="mouse_press"
    )
    steps = link._on_press(view, event)
    next(steps, None)
    for pos in moves:
        event.type, event.pos = "mouse_move", pos
        next(steps, None)
    event.type = "mouse_release"
    next(steps, None)


def test_a_click_goes_to_the_point_and_a_drag_does_not(link, views):
    start = views[0].dims.point
    press(link, views[1], (-1.0, 20.0, 30.0), (40, 10))
    press(link, views[1], (-1.0, 20.0, 30.0), button=2)
    assert views[0].dims.point == start
    press(link, views[1], (-1.0, 20.0, 30.0), (11, 10))
    np.testing.assert_allclose(views[2].dims.point, (-1.0, 20.0, 30.0))


def test_a_paused_link_waits_and_then_follows(link, views):
    link.is_paused = True
    before = views[1].dims.point
    views[0].dims.point = (-4.0, 20.0, 19.0)
    assert views[1].dims.point == before
    link.is_paused = False
    link.follow(views[0])
    assert views[1].dims.point == views[0].dims.point


def test_a_closed_link_leaves_the_views_alone(link, views):
    link.close()
    before = views[1].dims.point
    views[0].dims.point = (-4.0, 20.0, 19.0)
    assert views[1].dims.point == before
    assert link._on_press not in views[0].mouse_drag_callbacks


def test_lines_cross_at_the_point(views):
    coronal = views[1]
    lines = CrossLines(coronal)
    coronal.dims.point = (-4.0, 20.0, 19.0)
    along_s, along_l = lines.layer.data
    np.testing.assert_allclose(along_s[0, 1:], coronal.dims.point[1:])
    np.testing.assert_allclose(along_l[0, :2], coronal.dims.point[:2])
    assert along_s[1].tolist()[1:] == [0, 0] and along_s[1, 0] > 0
    assert along_l[1].tolist()[:2] == [0, 0] and along_l[1, 2] > 0
    lines.close()
