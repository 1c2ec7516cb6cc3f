"""The Compare dock, as a user presses it."""

import numpy as np
import pytest
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medsynth.widgets import _dock
from napari_medsynth.widgets._roles import Role, shown_layers
from napari_medsynth.widgets._two_in_one import Mode
from napari_medsynth.widgets.compare import CompareWidget


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch):
    class Fake:
        def apply_home(self):
            return False

    monkeypatch.setattr(_dock, "Preferences", Fake)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)


def add_synthesis(viewer, add):
    add(viewer, "T1", "T2", "FLAIR")
    layer = viewer.layers["FLAIR"]
    facts = {"model": "m", "model_title": "Model M"}
    known = {**layer.metadata["medsynth"], "synthetic": True, "provenance": facts}
    return viewer.add_image(
        0.8 * layer.data,
        name="FLAIR (made)",
        contrast_limits=(0, 900),
        scale=layer.scale,
        translate=layer.translate,
        units=layer.units,
        metadata={"medsynth": known},
    )


@pytest.fixture
def make(viewer, add, qtbot):
    add_synthesis(viewer, add)
    docks = []

    def make_dock():
        dock = CompareWidget(viewer)
        qtbot.addWidget(dock)
        dock.settle()
        docks.append(dock)
        return dock

    yield make_dock
    for dock in docks:
        dock.work.close()


@pytest.fixture
def dock(make):
    return make()


def names(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def calm(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.work.stage.is_busy)
    qtbot.wait(20)


def press_mode(dock, mode, qtbot):
    dock.modes.mode_buttons[mode].click()
    qtbot.waitUntil(lambda: dock.work.two.layer is not None)
    calm(dock, qtbot)


def test_truth_and_synthesis_are_the_first_pair(dock, viewer):
    assert [x.name for x in dock.modes.pair()] == ["FLAIR", "FLAIR (made)"]
    assert dock.grid_button.isEnabled()
    assert not dock.restore_button.isEnabled()


def test_side_by_side_and_back(dock, viewer, qtbot):
    before = [layer.name for layer in viewer.layers]
    dock.grid_button.click()
    calm(dock, qtbot)
    assert names(viewer) == ["T1", "T2", "FLAIR (made)", "FLAIR"]
    assert viewer.canvas.grid.enabled
    dock.pane_list.set_checked(viewer.layers["T2"], False)  # followed at once
    calm(dock, qtbot)
    assert names(viewer) == ["T1", "FLAIR (made)", "FLAIR"]
    dock.restore_button.click()
    calm(dock, qtbot)
    assert [layer.name for layer in viewer.layers] == before
    assert not viewer.canvas.grid.enabled
    assert not dock.restore_button.isEnabled()


def test_modes_follow_each_other_and_end_with_their_button(dock, viewer, qtbot):
    before = names(viewer)
    for mode in Mode:
        press_mode(dock, mode, qtbot)
        assert dock.modes.mode is mode
        assert names(viewer) == ["FLAIR | FLAIR (made)"]
        assert dock.work.two.look.mode is mode
    dock.modes.mode_buttons[Mode.CHECKERBOARD].click()
    calm(dock, qtbot)
    assert dock.modes.mode is None
    assert names(viewer) == before


def test_side_by_side_ends_a_mode_and_a_mode_ends_side_by_side(dock, viewer, qtbot):
    press_mode(dock, Mode.SWIPE, qtbot)
    dock.grid_button.click()
    calm(dock, qtbot)
    assert dock.modes.mode is None
    assert "FLAIR | FLAIR (made)" not in viewer.layers
    press_mode(dock, Mode.SWIPE, qtbot)
    assert not viewer.canvas.grid.enabled
    assert names(viewer) == ["FLAIR | FLAIR (made)"]


def test_swap_exchanges_the_sides_of_the_picture(dock, viewer, qtbot):
    press_mode(dock, Mode.SWIPE, qtbot)
    dock.modes.swap_button.click()
    qtbot.waitUntil(lambda: "FLAIR (made) | FLAIR" in names(viewer))
    calm(dock, qtbot)
    assert names(viewer) == ["FLAIR (made) | FLAIR"]
    assert dock.modes.mode is Mode.SWIPE


def test_slider_and_curtain_are_one(dock, qtbot):
    press_mode(dock, Mode.SWIPE, qtbot)
    dock.modes.position_slider.setValue(250)
    assert dock.work.two.look.position == 0.25
    dock.work.two.move_to(0.75)
    assert dock.modes.position_slider.value() == 750


def test_a_mask_stays_visible_over_the_picture(dock, viewer, qtbot):
    mask = viewer.add_labels(np.ones((6, 40, 36), int), name="mask")
    press_mode(dock, Mode.SWIPE, qtbot)
    assert mask.visible
    assert viewer.layers.index(mask) > viewer.layers.index(dock.work.two.layer)
    dock.restore_button.click()
    calm(dock, qtbot)
    assert viewer.layers[-1] == mask


def test_a_mask_that_lies_under_images_stays_visible_too(dock, viewer, qtbot):
    mask = viewer.add_labels(np.ones((6, 40, 36), int), name="mask")
    viewer.layers.move(viewer.layers.index(mask), 1)
    press_mode(dock, Mode.SWIPE, qtbot)
    assert viewer.layers.index(mask) > viewer.layers.index(dock.work.two.layer)
    dock.restore_button.click()
    calm(dock, qtbot)
    assert viewer.layers[1] == mask


def test_the_key_flickers_by_hand(dock, viewer, qtbot):
    dock.work.key_pressed.emit()
    qtbot.waitUntil(lambda: dock.work.two.layer is not None)
    calm(dock, qtbot)
    assert dock.modes.mode is Mode.FLICKER
    assert dock.work.two.look.speed == 0
    assert not dock.work.two.layer.data.pattern.is_second
    dock.work.key_pressed.emit()
    qtbot.waitUntil(lambda: dock.work.two.layer.data.pattern.is_second)


def test_a_difference_gets_its_cell(dock, viewer, qtbot):
    dock.grid_button.click()
    calm(dock, qtbot)
    dock.modes.difference_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5)
    calm(dock, qtbot)
    (made,) = (s for s in shown_layers(viewer.layers) if s.role is Role.DIFFERENCE)
    assert names(viewer)[-1] == made.layer.name
    expected = viewer.layers["FLAIR (made)"].data - viewer.layers["FLAIR"].data
    np.testing.assert_allclose(made.layer.data, expected / 900, atol=1e-5)
    assert "blue is darker" in dock.status_label.text()


def test_matching_makes_b_as_bright_as_a(dock, viewer, qtbot):
    before = tuple(viewer.layers["T1"].contrast_limits)
    dock.link_box.setChecked(True)
    dock.modes.match_button.click()
    made = viewer.layers["FLAIR (made)"]
    qtbot.waitUntil(lambda: tuple(made.contrast_limits) != (0, 900))
    assert tuple(made.contrast_limits) == pytest.approx((0, 720), abs=2)
    assert tuple(viewer.layers["FLAIR"].contrast_limits) == (0, 900)
    assert tuple(viewer.layers["T1"].contrast_limits) == before
    viewer.layers["FLAIR"].contrast_limits = (0, 450)  # linked again
    assert tuple(made.contrast_limits) == pytest.approx((0, 360), abs=2)


def test_linked_windows_leave_the_difference_alone(dock, viewer, qtbot):
    dock.modes.difference_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5)
    qtbot.wait(20)
    dock.link_box.setChecked(True)
    viewer.layers["T1"].contrast_limits = (0, 450)
    assert tuple(viewer.layers["FLAIR"].contrast_limits) == pytest.approx((0, 450))
    assert tuple(viewer.layers[-1].contrast_limits) == pytest.approx((-0.3, 0.3))


def test_a_synthesis_that_arrives_is_offered_at_once(viewer, add, qtbot):
    add(viewer, "T1", "T2")
    dock = CompareWidget(viewer)
    qtbot.addWidget(dock)
    assert [x.name for x in dock.modes.pair()] == ["T1", "T2"]
    viewer.layers.clear()
    add_synthesis(viewer, add)
    qtbot.waitUntil(lambda: dock.modes.pair() is not None)
    qtbot.wait(20)
    assert [x.name for x in dock.modes.pair()] == ["FLAIR", "FLAIR (made)"]
    dock.work.close()


def test_without_layers_nothing_can_be_pressed(viewer, qtbot):
    viewer.layers.clear()
    dock = CompareWidget(viewer)
    qtbot.addWidget(dock)
    assert not dock.grid_button.isEnabled()
    assert not any(b.isEnabled() for b in dock.modes.mode_buttons.values())
    dock.work.key_pressed.emit()
    assert not dock.work.two.is_on
    dock.work.close()


def test_choices_are_remembered(make):
    dock = make()
    dock.modes.square_box.setValue(7)
    dock.modes.range_box.setValue(55)
    dock.link_box.setChecked(True)
    other = make()
    assert other.modes.square_box.value() == 7
    assert other.modes.range_box.value() == 55
    assert other.link_box.isChecked()


@pytest.mark.parametrize("kept", [{"modes": 3}, {"modes": {"square": "x"}}, {}])
def test_damaged_choices_change_nothing(dock, kept):
    dock.set_from_json({**kept, "is_linked": "yes"})
    assert dock.modes.square_box.value() == 20
    assert not dock.link_box.isChecked()


def test_orthogonal_views_need_a_window(dock):
    dock.ortho_button.click()
    assert "need a window" in dock.status_label.text()
    assert not dock.ortho_button.isChecked()


def test_a_closed_dock_does_nothing_more(dock, viewer, qtbot):
    press_mode(dock, Mode.FLICKER, qtbot)
    dock.work.close()
    viewer.layers.remove(viewer.layers["T1"])
    viewer.dims.set_current_step(0, 1)
    qtbot.wait(50)
    assert "F" not in [str(key) for key in viewer.keymap]


@pytest.fixture
def window(make_napari_viewer_proxy, add, qtbot):
    """A shown viewer, and the dock in it."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1366, 768)
    add_synthesis(viewer, add)
    dock = CompareWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Compare")
    qtbot.waitUntil(dock.grid_button.isVisible)
    dock.settle()
    qtbot.wait(100)
    return viewer, dock


def canvas_of(dock):
    from napari_medsynth.widgets._crosshair import _canvas_of

    return _canvas_of(dock.window())


def move_pressed(canvas, place):
    """QTest's own moves press no button."""
    left = Qt.MouseButton.LeftButton
    where = QPointF(canvas.mapToGlobal(place))
    kind, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
    keys = Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(kind, QPointF(place), where, none, left, keys)
    QApplication.sendEvent(canvas, event)


@pytest.mark.gl
def test_the_divider_is_dragged_with_the_mouse(window, qtbot):
    viewer, dock = window
    press_mode(dock, Mode.SWIPE, qtbot)
    canvas, zoom = canvas_of(dock), viewer.scene.camera.zoom
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    left = Qt.MouseButton.LeftButton
    QTest.mouseMove(canvas, middle)
    QTest.mousePress(canvas, left, pos=middle)
    for shift in (20, 40, 60):
        move_pressed(canvas, middle + QPoint(shift, 0))
        qtbot.wait(20)
    QTest.mouseRelease(canvas, left, pos=middle + QPoint(60, 0))
    width = 36 * 1.2 * zoom  # pixels of the image
    assert dock.work.two.look.position == pytest.approx(0.5 + 60 / width, abs=0.04)
    assert viewer.scene.camera.zoom == zoom
    QTest.keyClick(canvas, Qt.Key.Key_F)
    assert dock.modes.mode is Mode.FLICKER


@pytest.mark.gl
def test_orthogonal_views_open_follow_and_close(window, qtbot):
    viewer, dock = window
    n_widgets = len(QApplication.topLevelWidgets())
    dock.ortho_button.click()
    qtbot.waitUntil(lambda: dock.work.ortho is not None and dock.work.ortho.is_ready)
    ortho = dock.work.ortho
    assert [x.text() for x in ortho.labels] == ["Coronal", "Sagittal"]
    qtbot.wait(300)
    coronal = ortho.work.canvases[0].canvas.native
    place = QPoint(coronal.width() // 2 + 20, coronal.height() // 2)
    QTest.mouseClick(coronal, Qt.MouseButton.LeftButton, pos=place)
    points = [tuple(m.dims.point) for m in (viewer, *ortho.work.models)]
    assert points[0] == points[1] == points[2]
    assert points[0][2] > 7 + 1.2 * 18  # left of the middle: on the right
    picture = coronal.grabFramebuffer()
    grey = picture.pixelColor(coronal.width() // 2 - 5, coronal.height() // 2 - 5)
    assert grey.value() > 20
    dock.ortho_button.click()
    qtbot.wait(100)
    assert dock.work.ortho is None
    assert len(QApplication.topLevelWidgets()) <= n_widgets
    viewer.dims.set_current_step(0, 1)


@pytest.mark.gl
@pytest.mark.parametrize("is_whole_window", [True, False])
def test_closing_with_everything_open(window, qtbot, is_whole_window):
    viewer, dock = window
    dock.ortho_button.click()
    qtbot.waitUntil(lambda: dock.work.ortho is not None and dock.work.ortho.is_ready)
    press_mode(dock, Mode.FLICKER, qtbot)
    if is_whole_window:
        viewer.close()
    else:
        viewer.window.remove_dock_widget(dock)
        dock.deleteLater()
        qtbot.waitUntil(lambda: "FLAIR | FLAIR (made)" not in viewer.layers)
        assert len(names(viewer)) == 4
        viewer.dims.set_current_step(0, 1)
    qtbot.wait(100)
    assert not GeneratorWorker._worker_set
