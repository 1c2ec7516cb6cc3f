"""Cursor, window and cross-hair under a real mouse; needs an X server and OpenGL."""

from contextlib import suppress

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMainWindow, QOpenGLWidget, QWidget

from napari_medsynth.widgets._camera import attach_radiological_camera
from napari_medsynth.widgets._window_level import dragged
from napari_medsynth.widgets.parts.cursor_table import CursorTable
from napari_medsynth.widgets.parts.window_box import WindowBox

pytestmark = pytest.mark.gl
RIGHT, LEFT = Qt.MouseButton.RightButton, Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def window(make_napari_viewer_proxy, add, qtbot):
    """A shown viewer with T1 and T2, the two boxes in a dock, and the canvas."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1200, 800)
    add(viewer, "T1", "T2")
    attach_radiological_camera(viewer)
    dock = QWidget()
    dock.table, dock.box = CursorTable(viewer, dock), WindowBox(viewer, dock)
    dock.setMinimumSize(300, 400)
    dock.table.setGeometry(0, 0, 300, 250)
    dock.box.setGeometry(0, 250, 300, 150)
    viewer.window.add_dock_widget(dock, name="Boxes")
    qtbot.waitUntil(dock.table.isVisible)
    qtbot.wait(500)
    main = dock.window()
    assert isinstance(main, QMainWindow)
    canvas = main.centralWidget().findChildren(QOpenGLWidget)[0]
    yield viewer, dock, canvas
    with suppress(RuntimeError):  # closed with the viewer
        dock.table.close()
        dock.box.close()


def drag(canvas, button, start, end, modifiers=NONE):
    QTest.mousePress(canvas, button, modifiers, QPoint(*start))
    for share in np.linspace(0, 1, 6)[1:]:
        at = QPointF(*(np.add(start, share * np.subtract(end, start))))
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            at,
            canvas.mapToGlobal(at),
            Qt.MouseButton.NoButton,
            button,
            modifiers,
        )
        QApplication.sendEvent(canvas, move)
        QTest.qWait(25)  # vispy drops faster ones
    QTest.mouseRelease(canvas, button, modifiers, QPoint(*end))
    QTest.qWait(50)


def test_dragging_sets_the_window_and_leaves_the_camera(window):
    viewer, dock, canvas = window
    layer, camera = viewer.layers["T2"], viewer.scene.camera
    start, view = tuple(layer.contrast_limits), (camera.zoom, camera.center)
    drag(canvas, RIGHT, (200, 200), (260, 170))
    assert layer.contrast_limits == pytest.approx(dragged(start, 60, 30))
    assert (camera.zoom, camera.center) == view
    assert dock.box.width_box.value() == pytest.approx(
        np.ptp(layer.contrast_limits), rel=0.02
    )
    QTest.mouseClick(dock.box.undo_button, LEFT)
    assert tuple(layer.contrast_limits) == start

    drag(canvas, LEFT, (200, 200), (260, 170))
    assert camera.center != view[1]  # panning is napari's again
    assert tuple(layer.contrast_limits) == start


def test_dragging_with_ctrl(window):
    viewer, dock, canvas = window
    layer, camera = viewer.layers["T2"], viewer.scene.camera
    start, view = tuple(layer.contrast_limits), (camera.zoom, camera.center)
    dock.box.gesture_box.setCurrentIndex(1)
    modifier = Qt.KeyboardModifier.ControlModifier
    drag(canvas, LEFT, (200, 200), (260, 170), modifier)
    assert layer.contrast_limits == pytest.approx(dragged(start, 60, 30))
    assert (camera.zoom, camera.center) == view
    drag(canvas, RIGHT, (200, 200), (260, 170))
    assert camera.zoom != view[0]  # zooming is napari's


def test_the_right_of_the_canvas_is_the_patients_left(window, qtbot):
    """Moving right leads to the patient's left, moving down to the back."""
    viewer, dock, canvas = window
    middle = canvas.rect().center()
    places = []
    for step in (QPoint(0, 0), QPoint(60, 0), QPoint(0, 60)):
        QTest.mouseMove(canvas, middle + step)
        qtbot.wait(150)
        places.append(dict(_parse(dock.table.position_label.text())))
    assert places[1]["left"] > places[0]["left"]
    assert places[1]["posterior"] == pytest.approx(places[0]["posterior"], abs=0.1)
    assert places[2]["posterior"] > places[0]["posterior"]
    assert places[2]["left"] == pytest.approx(places[0]["left"], abs=0.1)
    zoom = viewer.scene.camera.zoom
    moved = places[1]["left"] - places[0]["left"]
    assert moved == pytest.approx(60 / zoom, abs=0.11)


def is_yellow(canvas, mark):
    """Whether a line of the cross-hair is painted below `mark`, to a pixel."""
    picture = canvas.window().grab().toImage()
    spot = canvas.mapTo(canvas.window(), mark.toPoint()) + QPoint(0, 40)
    near = (picture.pixelColor(spot + QPoint(x, 0)) for x in (-1, 0, 1))
    return any(colour.red() > colour.blue() + 50 for colour in near)


def test_the_cross_hair_marks_every_cell(window, qtbot):
    viewer, dock, canvas = window
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    dock.table.cross_box.setChecked(True)
    glass = dock.table._crosshair._glass
    qtbot.wait(100)
    at = QPoint(canvas.width() // 4, canvas.height() // 3)
    QTest.mouseMove(canvas, at + QPoint(3, 3))
    QTest.mouseMove(canvas, at)
    qtbot.waitUntil(lambda: glass.mouse == QPointF(at))
    marks = [point for _, point in glass.crossings()]
    assert marks == [QPointF(at), QPointF(at.x() + canvas.width() / 2, at.y())]
    qtbot.waitUntil(lambda: all(is_yellow(canvas, mark) for mark in marks))
    dock.table.cross_box.setChecked(False)
    assert not dock.table._crosshair.is_shown


def test_the_mouse_goes_through_the_cross_hair(window):
    viewer, dock, canvas = window
    dock.table.cross_box.setChecked(True)
    start = tuple(viewer.layers["T2"].contrast_limits)
    drag(canvas, RIGHT, (200, 200), (260, 170))
    assert viewer.layers["T2"].contrast_limits == pytest.approx(dragged(start, 60, 30))


def test_closing_the_viewer_with_everything_on(window, qtbot):
    viewer, dock, canvas = window
    dock.table.cross_box.setChecked(True)
    QTest.mouseMove(canvas, QPoint(100, 100))
    assert dock.table._crosshair.is_shown
    with qtbot.waitSignal(canvas.destroyed, timeout=5000):
        viewer.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _parse(text):
    """Read "1.0 mm R, 2.0 mm A, ..." as millimetres to the left and to the back."""
    for part in text.split(", "):
        number, _, letter = part.split()
        sign = -1 if letter in "RAI" else 1
        names = {"L": "left", "R": "left", "P": "posterior", "A": "posterior"}
        yield names.get(letter, "superior"), sign * float(number)
