"""Panes on the canvas, and the way back."""

import numpy as np
import pytest

from napari_medsynth.widgets._arrangement import (
    Arrangement,
    put_in_order,
    release_canvas,
    take_canvas,
)
from napari_medsynth.widgets._composite import Composite
from napari_medsynth.widgets._hanging import hang
from napari_medsynth.widgets._roles import shown_layers
from napari_medsynth.widgets._stage import Stage


@pytest.fixture
def stage(viewer, qtbot):
    return Stage(viewer)


@pytest.fixture
def opened(viewer, add):
    """T2, T1, a synthesis of FLAIR, an attention map and a lesion mask."""
    add(viewer, "T2", "T1")
    like = {"scale": viewer.layers[0].scale, "translate": viewer.layers[0].translate}
    like |= {"units": viewer.layers[0].units}
    made = {"synthetic": True, "modality": "FLAIR", "provenance": {"model": "m"}}
    viewer.add_image(
        np.zeros((6, 40, 36)), name="made", metadata={"medsynth": made}, **like
    )
    coarse = np.arange(48, dtype=np.float32).reshape(6, 4, 2)
    viewer.add_image(
        coarse,
        name="map",
        metadata={"medsynth": {"role": "attention", "synthetic": True}},
        contrast_limits=(0, 47),
        colormap="inferno",
        blending="additive",
        **like | {"scale": (3.0, 10.0, 21.6)},
    )
    viewer.add_labels(np.ones((6, 40, 36), int), name="lesions", **like)
    return viewer


def names(viewer, *, visible=True):
    return [x.name for x in viewer.layers if x.visible or not visible]


def state(viewer):
    grid = viewer.canvas.grid
    return (
        [(x.name, x.visible, x.name_overlay.visible) for x in viewer.layers],
        (grid.enabled, grid.shape, grid.stride, grid.spacing),
        tuple(viewer.scene.camera.center),
        viewer.scene.camera.zoom,
        {x.name for x in viewer.layers.selection},
    )


def show(stage, viewer, qtbot, **chosen):
    panes = hang(shown_layers(viewer.layers))
    panes = [p for p in panes if p.layer.name in chosen.get("names", names(viewer))]
    stage.side_by_side(panes, viewer.layers["T1"])
    qtbot.waitUntil(lambda: not stage.is_busy)


def test_any_order_can_be_reached(viewer, rng):
    for _ in range(9):
        viewer.add_image(np.zeros((2, 2)))
    for _ in range(20):
        wanted = [viewer.layers[int(i)] for i in rng.permutation(9)[:6]]
        put_in_order(viewer, wanted)
        assert list(viewer.layers)[:6] == wanted


def test_panes_get_cells_in_hanging_order(stage, opened, qtbot):
    show(stage, opened, qtbot)
    assert names(opened) == ["T1", "T2", "made", "map over T1"]
    assert opened.canvas.grid.enabled
    assert opened.canvas.grid.stride == 1
    assert all(x.name_overlay.visible for x in opened.layers if x.visible)
    assert stage.is_arranged


def test_everything_is_undone(stage, opened, qtbot):
    opened.layers["T1"].visible = False
    opened.scene.camera.center, opened.scene.camera.zoom = (0, 3, 4), 7.5
    opened.layers.selection = {opened.layers["made"]}
    before = state(opened)
    show(stage, opened, qtbot, names=["T1", "made", "map"])
    assert state(opened) != before
    show(stage, opened, qtbot, names=["T2"])  # again: the first state is kept
    stage.restore()
    qtbot.waitUntil(lambda: not stage.is_busy)
    assert state(opened) == before
    assert not stage.is_arranged


def test_undo_works_with_layers_that_came_and_went(stage, opened, qtbot):
    show(stage, opened, qtbot)
    opened.layers.remove(opened.layers["T2"])
    opened.add_image(np.zeros((6, 40, 36)), name="new")
    stage.restore()
    qtbot.waitUntil(lambda: not stage.is_busy)
    assert names(opened) == ["T1", "made", "map", "lesions", "new"]


def test_a_map_is_painted_over_its_anatomy(stage, opened, qtbot):
    anatomy, map_ = opened.layers["T1"], opened.layers["map"]
    map_.opacity = 0.5
    show(stage, opened, qtbot)
    painted = opened.layers["map over T1"]
    grey = np.clip(anatomy.data[2] / 900, 0, 1)  # the limits of the fixture
    # the middle of a coarse voxel, where interpolation changes nothing: row 0, column 0
    colour = map_.colormap.map(np.array([map_.data[2, 0, 0] / 47]))[0, :3]
    expected = np.minimum(255 * (grey[0, 0] + 0.5 * colour), 255)
    np.testing.assert_allclose(painted.data[2][0, 0], expected, atol=1.5)
    assert isinstance(painted.data, Composite)
    np.testing.assert_allclose(painted.scale, anatomy.scale)


def test_a_painted_map_follows_its_layers(stage, opened, qtbot):
    show(stage, opened, qtbot)
    painted = opened.layers["map over T1"]
    before = painted.data[2].astype(int)
    opened.layers["map"].opacity = 0.2
    qtbot.waitUntil(lambda: painted.data.pattern.opacity == 0.2)
    assert painted.data[2].astype(int).sum() < before.sum()
    opened.layers["T1"].contrast_limits = (0, 9000)
    qtbot.waitUntil(lambda: painted.data.windows[0].high == 9000)


def test_a_map_that_does_not_fit_is_left_out_with_a_reason(
    stage, opened, qtbot, caplog
):
    opened.layers["map"].translate = (900, 900, 900)
    with qtbot.waitSignal(stage.said) as said:
        show(stage, opened, qtbot)
    assert "field of view" in said.args[0]
    assert "map over T1" not in names(opened, visible=False)
    assert {"T1", "T2", "made"} <= set(names(opened))


def test_unchecking_removes_the_painted_map(stage, opened, qtbot):
    show(stage, opened, qtbot)
    show(stage, opened, qtbot, names=["T1", "T2"])
    assert names(opened) == ["T1", "T2"]
    assert "map over T1" not in names(opened, visible=False)


def test_one_layer_alone_leaves_the_grid_at_the_same_place(stage, opened, qtbot):
    show(stage, opened, qtbot, names=["T1", "T2"])
    center = tuple(opened.scene.camera.center)
    zoom = opened.scene.camera.zoom
    stage.leave_only(opened.layers["T1"])
    qtbot.waitUntil(lambda: not stage.is_busy)
    assert names(opened) == ["T1"]
    assert not opened.canvas.grid.enabled
    assert tuple(opened.scene.camera.center) == center
    assert opened.scene.camera.zoom >= zoom


def test_helpers_are_no_sources(stage, opened, qtbot):
    show(stage, opened, qtbot)
    roles = {s.layer.name: s.role for s in shown_layers(opened.layers)}
    assert roles["map over T1"] == "other"


def test_an_arrangement_knows_the_captions(viewer, add):
    (layer,) = add(viewer, "T1")
    layer.name_overlay.position = "top_left"
    before = Arrangement.of(viewer)
    layer.name_overlay.visible, layer.name_overlay.position = True, "bottom_left"
    before.restore(viewer)
    assert (layer.name_overlay.visible, layer.name_overlay.position) == (
        False,
        "top_left",
    )


def test_one_who_takes_the_canvas_has_the_other_give_back(stage, opened, qtbot):
    before = state(opened)
    show(stage, opened, qtbot)
    given = []
    take_canvas(opened, given_back := lambda: given.append(state(opened)))
    assert state(opened) == before
    assert not stage.is_arranged
    show(stage, opened, qtbot)
    assert given == [before]
    assert stage.is_arranged
    release_canvas(opened, given_back)  # not theirs any more: nothing happens
    stage.restore()
    qtbot.waitUntil(lambda: not stage.is_busy)
    take_canvas(opened, given_back)
    assert len(given) == 1
    release_canvas(opened, given_back)
