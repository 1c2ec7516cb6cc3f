"""Window and level: by dragging, by numbers, by presets; and back."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_medsynth.evaluate.windows import WINDOWS
from napari_medsynth.widgets._window_level import (
    Gesture,
    WindowLevel,
    around,
    automatic,
    dragged,
    level_and_width,
)
from napari_medsynth.widgets.parts.window_box import WindowBox

RIGHT, LEFT = 2, 1


@pytest.fixture
def image(viewer, rng):
    return viewer.add_image(
        rng.normal(500, 100, (6, 20, 20)).astype(np.float32),
        name="T1",
        contrast_limits=(0, 1000),
        metadata={"medsynth": {"modality": "T1"}},
    )


@pytest.fixture
def window_level(viewer, image):
    made = WindowLevel(viewer)
    yield made
    made.close()


class Wrapped:
    """napari wraps mouse events, and changes what is in the wrapping."""

    def __init__(self, event):
        self.__wrapped__ = event

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)


def drag(viewer, path, *, button=RIGHT, modifiers=(), viewbox=(0, 0)):
    """Press at the first point, move along the others, release at the last."""
    seen = []

    def event(kind, pos):
        return Wrapped(
            SimpleNamespace(
                type=kind,
                pos=np.array(pos),
                button=button,
                modifiers=modifiers,
                viewbox=viewbox,
                position=(0, 0, 0),
                is_dragging=True,
                handled=False,
            )
        )

    mouse_press_callbacks(viewer, event("mouse_press", path[0]))
    seen.append(viewer.scene.camera.mouse_pan)
    for pos in path[1:]:
        mouse_move_callbacks(viewer, event("mouse_move", pos))
    mouse_release_callbacks(viewer, event("mouse_release", path[-1]))
    return seen[0]


def test_right_doubles_the_window_and_up_brightens():
    assert dragged((0, 100), 150, 0) == pytest.approx((-50, 150))
    assert dragged((0, 100), -150, 0) == pytest.approx((25, 75))
    low, high = dragged((0, 100), 0, 30)
    assert (low, high) == pytest.approx((-10, 90))  # less is white: brighter


def test_a_window_never_closes():
    low, high = dragged((999_999.0, 1_000_000.0), -5000, 0)
    assert high > low
    assert np.float32(high) > np.float32(low)


def test_level_and_width_go_both_ways():
    assert level_and_width((-150.0, 250.0)) == (50.0, 400.0)
    assert around(50.0, 400.0) == (-150.0, 250.0)


def test_dragging_with_the_right_button_sets_the_window(viewer, image, window_level):
    could_pan = drag(viewer, [(100, 100), (120, 90), (250, 70)])
    assert image.contrast_limits == pytest.approx(dragged((0, 1000), 150, 30))
    assert not could_pan  # the canvas stands still meanwhile
    assert viewer.scene.camera.mouse_pan


def test_a_drag_is_one_step_to_undo(viewer, image, window_level):
    drag(viewer, [(0, 0), (30, 0), (60, 0)])
    drag(viewer, [(0, 0), (0, 40)])
    window_level.undo()
    assert image.contrast_limits == pytest.approx(dragged((0, 1000), 60, 0))
    window_level.undo()
    assert image.contrast_limits == [0, 1000]
    assert not window_level.can_undo
    window_level.undo()
    assert image.contrast_limits == [0, 1000]


def test_a_click_changes_nothing(viewer, image, window_level):
    drag(viewer, [(5, 5)])
    assert image.contrast_limits == [0, 1000]
    assert not window_level.can_undo


@pytest.mark.parametrize(
    ("gesture", "button", "modifiers", "is_heard"),
    [
        (Gesture.RIGHT, RIGHT, (), True),
        (Gesture.RIGHT, LEFT, (), False),
        (Gesture.RIGHT, RIGHT, ("Shift",), False),
        (Gesture.CTRL, LEFT, ("Control",), True),
        (Gesture.CTRL, LEFT, (), False),
        (Gesture.CTRL, RIGHT, (), False),
        (Gesture.OFF, RIGHT, (), False),
        (Gesture.OFF, LEFT, ("Control",), False),
    ],
)
def test_only_the_chosen_gesture_is_heard(
    viewer, image, window_level, gesture, button, modifiers, is_heard
):
    window_level.gesture = gesture
    could_pan = drag(viewer, [(0, 0), (80, 0)], button=button, modifiers=modifiers)
    assert (image.contrast_limits != [0, 1000]) == is_heard
    assert could_pan != is_heard


def test_drawing_is_not_disturbed(viewer, image, window_level):
    labels = viewer.add_labels(np.zeros((6, 20, 20), int))
    labels.mode = "paint"
    drag(viewer, [(0, 0), (80, 0)])
    assert image.contrast_limits == [0, 1000]
    labels.mode = "pan_zoom"
    drag(viewer, [(0, 0), (80, 0)])
    assert image.contrast_limits != [0, 1000]


def test_linked_images_follow_and_come_back(viewer, image, window_level):
    other = viewer.add_image(image.data, name="b", contrast_limits=(0, 1000))
    free = viewer.add_image(image.data, name="c", contrast_limits=(1, 2))
    viewer.layers.link_layers([image, other], ("contrast_limits",))
    viewer.layers.selection.active = image
    drag(viewer, [(0, 0), (80, 0)])
    assert other.contrast_limits == image.contrast_limits != [0, 1000]
    assert free.contrast_limits == [1, 2]
    window_level.undo()
    assert other.contrast_limits == image.contrast_limits == [0, 1000]


def test_in_a_grid_the_cell_under_the_mouse_is_meant(viewer, image, window_level):
    other = viewer.add_image(image.data, name="b", contrast_limits=(0, 1000))
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    assert viewer.layers.selection.active == other
    for layer in (image, other):
        cell = viewer.canvas.grid.position(viewer.layers.index(layer), viewer.layers)
        drag(viewer, [(0, 0), (80, 0)], viewbox=cell)
        assert layer.contrast_limits != [0, 1000]
        window_level.undo()
        assert image.contrast_limits == other.contrast_limits == [0, 1000]


def test_the_image_dragged_on_is_the_one_until_another_is_activated(
    viewer, image, window_level
):
    other = viewer.add_image(image.data, name="b", contrast_limits=(0, 1000))
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    assert window_level.target() == other  # the active one
    cell = viewer.canvas.grid.position(0, viewer.layers)
    drag(viewer, [(0, 0), (80, 0)], viewbox=cell)
    assert window_level.target() == image
    viewer.layers.selection.active = image
    viewer.layers.selection.active = other
    assert window_level.target() == other


def test_the_topmost_visible_image_is_meant_if_the_active_layer_is_none(
    viewer, image, window_level
):
    top = viewer.add_image(image.data, name="b")
    viewer.add_labels(np.zeros((6, 20, 20), int))
    assert window_level.target() == top
    top.visible = False
    assert window_level.target() == image
    image.visible = False
    assert window_level.target() is None
    drag(viewer, [(0, 0), (80, 0)])


def test_a_difference_stays_symmetric(viewer, image, window_level):
    viewer.add_image(
        image.data,
        contrast_limits=(-1, 1),
        metadata={"medsynth": {"role": "difference"}},
    )
    drag(viewer, [(0, 0), (150, 90)])
    assert viewer.layers[-1].contrast_limits == pytest.approx((-2, 2))


def test_a_removed_layer_is_not_undone(viewer, image, window_level):
    drag(viewer, [(0, 0), (80, 0)])
    dragged = tuple(image.contrast_limits)
    viewer.layers.remove(image)
    window_level.undo()
    assert tuple(image.contrast_limits) == dragged != (0, 1000)


def test_after_closing_the_mouse_is_naparis_again(viewer, image, window_level):
    window_level.close()
    window_level.close()
    drag(viewer, [(0, 0), (80, 0)])
    assert image.contrast_limits == [0, 1000]


def test_automatic_limits_are_percentiles(viewer, image):
    image.data[0] = 3000
    low, high = automatic(image)
    expected = np.percentile(image.data, (0.1, 99.8))
    assert (low, high) == pytest.approx(expected)
    low, high = automatic(image, axis=0, index=2)
    assert (low, high) == pytest.approx(np.percentile(image.data[2], (0.1, 99.8)))


def test_automatic_limits_of_a_difference_are_symmetric(viewer, rng):
    data = rng.normal(0.2, 0.1, (4, 20, 20)).astype(np.float32)
    layer = viewer.add_image(data, metadata={"medsynth": {"role": "difference"}})
    low, high = automatic(layer)
    assert low == -high
    assert high == pytest.approx(np.percentile(data, 99.8))


@pytest.fixture
def box(viewer, image, qtbot):
    made = WindowBox(viewer)
    qtbot.addWidget(made)
    yield made
    made.close()


def test_the_box_shows_level_and_width(box, image, qtbot):
    assert (box.level_box.value(), box.width_box.value()) == (500, 1000)
    image.contrast_limits = (100, 300)
    qtbot.waitUntil(lambda: box.width_box.value() == 200)
    assert box.level_box.value() == 200


def test_numbers_set_the_window(box, image):
    box.level_box.setValue(300)
    box.width_box.setValue(200)
    assert image.contrast_limits == [200, 400]
    box.undo_button.click()
    assert image.contrast_limits == [-200, 800]


def test_small_numbers_keep_their_digits(box, viewer, image, qtbot):
    image.contrast_limits = (0.0012, 0.0034)
    qtbot.waitUntil(lambda: box.width_box.value() < 1)
    assert box.width_box.value() == pytest.approx(0.0022, rel=0.01)
    assert box.level_box.value() == pytest.approx(0.0023, rel=0.01)


def test_presets_of_mr_are_percentiles(box, image):
    assert box.preset_box.findText("Automatic") >= 0
    assert not any("HU" in text for text in texts(box))
    box.choose_preset("Automatic")
    assert image.contrast_limits == pytest.approx(automatic(image))
    box.reset_button.click()
    assert image.contrast_limits == [0, 1000]
    assert not box.reset_button.isEnabled()


def test_the_preset_of_this_slice_takes_the_slice_on_the_screen(box, viewer, image):
    image.data[3] *= 5
    viewer.dims.set_current_step(0, 3)
    box.choose_preset("Automatic, this slice")
    expected = automatic(image, axis=0, index=3)
    assert image.contrast_limits == pytest.approx(expected)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 7)
    box.choose_preset("Automatic, this slice")
    expected = automatic(image, axis=1, index=7)
    assert image.contrast_limits == pytest.approx(expected)


def test_presets_of_ct_are_its_windows(box, viewer, image, qtbot):
    ct = viewer.add_image(
        image.data,
        name="CT",
        contrast_limits=(-1000, 1000),
        metadata={"medsynth": {"modality": "CT"}},
    )
    qtbot.waitUntil(lambda: any("HU" in text for text in texts(box)))
    for (name, limits), text in zip(WINDOWS.items(), texts(box), strict=False):
        assert text.lower().startswith(name.replace("-", " "))
        box.choose_preset(text)
        assert ct.contrast_limits == list(limits)


def test_the_gesture_is_remembered(box, viewer, qtbot):
    with qtbot.waitSignal(box.changed):
        box.gesture_box.setCurrentIndex(1)
    assert box.window_level.gesture is Gesture.CTRL
    other = WindowBox(viewer)
    qtbot.addWidget(other)
    other.set_from_json(box.to_json())
    assert other.window_level.gesture is Gesture.CTRL
    other.set_from_json({"window_by": "wheel"})
    assert other.window_level.gesture is Gesture.CTRL
    other.close()


def test_an_empty_viewer_disables_the_box(qtbot):
    box = WindowBox(ViewerModel())
    qtbot.addWidget(box)
    assert not box.level_box.isEnabled()
    box.choose_preset("Automatic")
    box.reset_button.click()
    box.close()


def texts(box):
    return [box.preset_box.itemText(i) for i in range(box.preset_box.count())]
