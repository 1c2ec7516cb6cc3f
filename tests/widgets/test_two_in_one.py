"""Swipe, flicker and checkerboard of two layers."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_medsynth.widgets._composite import Checkerboard, Curtain, Whole
from napari_medsynth.widgets._stage import Stage
from napari_medsynth.widgets._two_in_one import Look, Mode, TwoInOne


@pytest.fixture
def two(viewer, qtbot):
    both = TwoInOne(viewer, Stage(viewer))
    yield both
    both.abandon()


@pytest.fixture
def pair(viewer, add):
    return add(viewer, "T1", "FLAIR")


def start(two, pair, look, qtbot):
    two.start(*pair, look)
    qtbot.waitUntil(lambda: two.layer is not None and not two._stage.is_busy)
    qtbot.wait(20)


def drag(two, *columns, button=1, modifiers=()):
    """Press, move and let go at world positions of columns of the first slice."""
    layer = two.layer

    def event(column, type_):
        position = layer.data_to_world((0, 20, column))
        return SimpleNamespace(
            position=position, type=type_, button=button, modifiers=modifiers
        )

    spoken = event(columns[0], "mouse_press")
    steps = two._on_drag(None, spoken)
    next(steps, None)
    for column in columns[1:]:
        spoken.position = layer.data_to_world((0, 20, column))
        spoken.type = "mouse_move"
        next(steps, None)
    spoken.type = "mouse_release"
    next(steps, None)


def test_the_picture_is_half_of_each(two, pair, viewer, qtbot):
    pair[1].contrast_limits = (0, 450)
    start(two, pair, Look(Mode.SWIPE, position=0.5), qtbot)
    picture = two.layer.data[3]
    first = np.clip(pair[0].data[3] / 900, 0, 1) * 255
    second = np.clip(pair[1].data[3] / 450, 0, 1) * 255
    np.testing.assert_allclose(picture[:, :17, 1], first[:, :17], atol=0.51)
    np.testing.assert_allclose(picture[:, 18:, 1], second[:, 18:], atol=0.51)
    assert [x.name for x in viewer.layers if x.visible] == [two.layer.name]
    np.testing.assert_allclose(two.layer.scale, pair[0].scale)


def test_the_divider_is_dragged_and_the_camera_stays(two, pair, viewer, qtbot):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    viewer.scene.camera.zoom = 4
    with qtbot.waitSignal(two.moved):
        drag(two, 17.5, 20, 26.5)
    assert two.look.position == pytest.approx(27 / 36)
    assert viewer.scene.camera.mouse_pan
    qtbot.waitUntil(lambda: two.layer.data.pattern == Curtain(2, 26.5))


@pytest.mark.parametrize(
    ("column", "options"),
    [(30, {}), (17.5, {"button": 2}), (17.5, {"modifiers": ("Shift",)})],
)
def test_elsewhere_and_otherwise_a_drag_is_not_ours(two, pair, qtbot, column, options):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    drag(two, column, 5, **options)
    assert two.look.position == 0.5


def test_the_curtain_follows_the_plane_that_is_shown(two, pair, viewer, qtbot):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    viewer.dims.order = (2, 0, 1)  # sagittal: P runs from left to right
    qtbot.waitUntil(lambda: two.layer.data.pattern == Curtain(1, 19.5))


def test_flicker_changes_by_itself_or_by_hand(two, pair, qtbot):
    start(two, pair, Look(Mode.FLICKER, speed=5.0), qtbot)
    assert two.layer.data.pattern == Whole(False)
    qtbot.waitUntil(lambda: two.layer.data.pattern == Whole(True))
    qtbot.waitUntil(lambda: two.layer.data.pattern == Whole(False))
    two.set_look(Look(Mode.FLICKER, speed=0.0))
    qtbot.wait(350)
    assert two.layer.data.pattern == Whole(False)
    two.flip()
    qtbot.waitUntil(lambda: two.layer.data.pattern == Whole(True))


def test_the_name_on_the_canvas_is_that_of_what_is_seen(two, pair, viewer, qtbot):
    start(two, pair, Look(Mode.FLICKER, speed=0.0), qtbot)
    overlays = viewer.canvas.overlays
    assert overlays["medsynth_left"].text == "T1"
    assert not overlays["medsynth_right"].visible
    two.flip()
    assert overlays["medsynth_right"].text == "FLAIR"
    assert not overlays["medsynth_left"].visible
    two.stop()
    assert not overlays["medsynth_right"].visible


def test_squares_are_as_large_as_they_say(two, pair, qtbot):
    start(two, pair, Look(Mode.CHECKERBOARD, square=6.0), qtbot)
    assert two.layer.data.pattern == Checkerboard(pytest.approx((2.0, 6.0, 5.0)))


def test_each_image_keeps_its_own_window(two, pair, qtbot):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    pair[1].contrast_limits = (10, 20)
    qtbot.waitUntil(lambda: two.layer.data.windows[1].high == 20)
    assert two.layer.data.windows[0].high == 900
    pair[0].colormap = "red"
    qtbot.waitUntil(lambda: two.layer.data.windows[0].colours[255].tolist()[1] == 0)


def test_another_grid_is_resampled_to_the_first(two, pair, viewer, qtbot):
    fine, _ = pair
    coarse = viewer.add_image(
        fine.data[:, ::2, ::2] + 0,
        name="coarse",
        contrast_limits=(0, 900),
        scale=np.multiply(fine.scale, (1, 2, 2)),
        translate=fine.translate,
        units=fine.units,
    )
    start(two, (fine, coarse), Look(Mode.FLICKER, speed=0.0), qtbot)
    first, second = two.layer.data.images
    assert first.shape == second.shape
    np.testing.assert_allclose(second[:, ::2, ::2], coarse.data, rtol=1e-5)


@pytest.mark.parametrize("is_picture", [True, False])
def test_removing_a_layer_ends_it(two, pair, viewer, qtbot, is_picture):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    with qtbot.waitSignal(two.ended):
        viewer.layers.remove(two.layer if is_picture else pair[1])
    assert not two.is_on
    assert "T1 | FLAIR" not in [x.name for x in viewer.layers]


def test_3d_ends_it(two, pair, viewer, qtbot):
    start(two, pair, Look(Mode.SWIPE), qtbot)
    with qtbot.waitSignal(two.ended):
        viewer.dims.ndisplay = 3
    assert two.layer is None


def test_a_synthetic_half_makes_the_picture_synthetic(two, pair, viewer, qtbot):
    known = pair[1].metadata["medsynth"]
    pair[1].metadata = {"medsynth": {**known, "synthetic": True}}
    start(two, pair, Look(), qtbot)
    assert two.layer.metadata["medsynth"]["synthetic"]
    assert two.layer.metadata["medsynth"]["role"] == "preview"  # no source


def test_what_cannot_be_shown_is_said(two, pair, viewer, qtbot, caplog):
    far = viewer.add_image(
        np.zeros((3, 4, 5)), name="far", translate=(900, 0, 0), units="mm"
    )
    with qtbot.waitSignal(two.said) as said:
        two.start(pair[0], far, Look())
    assert "far and T1 need the same field of view" in said.args[0]
    assert not two.is_on
