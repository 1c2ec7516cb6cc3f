"""The dock in a real window, with real clicks; needs an X server and OpenGL."""

from __future__ import annotations

import numpy as np
import pytest
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_medsynth.widgets.synthesize import SynthesizeWidget

pytestmark = pytest.mark.gl


@pytest.fixture
def window(make_napari_viewer_proxy, add, engine, qtbot):
    """A shown viewer with T1 and T2, and its dock."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1366, 768)
    add(viewer, "T1", "T2")
    dock = SynthesizeWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Synthesize")
    qtbot.waitUntil(dock.run_box.run_button.isVisible)
    dock.settle()
    qtbot.wait(100)
    return viewer, dock


def click(widget):
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def shot(viewer):
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def test_run_with_a_click_fills_the_canvas(window, qtbot):
    viewer, dock = window
    for layer in viewer.layers:
        layer.visible = False
    click(dock.run_box.run_button)
    qtbot.waitUntil(lambda: not dock.is_busy)
    for layer in list(viewer.layers)[2:]:
        layer.contrast_limits = (0, 6)
    qtbot.wait(300)

    picture = shot(viewer)
    orange = (picture[..., 0] > 150) & (picture[..., 2] < 80) & (picture[..., 1] > 90)
    assert (picture.max(-1) > 60).mean() > 0.05
    assert orange[: len(orange) // 6].sum() > 100  # the notice, at the top
    assert orange[len(orange) // 2 :].sum() == 0


def test_everything_important_is_visible_on_a_laptop(window, qtbot):
    dock = window[1]
    dock.options_box.expand(animate=False)
    dock.model_box.about.expand(animate=False)
    qtbot.wait(100)

    main = dock.window()
    assert main.height() <= 768
    for widget in (
        dock.preview_box,
        dock.run_box.run_button,
        dock.run_box.cancel_button,
    ):
        corner = widget.mapTo(main, QPoint(widget.width(), widget.height()))
        assert corner.y() <= main.height()
        assert corner.x() <= main.width()


def test_closing_the_viewer_mid_run_stops_the_worker(window, qtbot, engine):
    viewer, dock = window
    engine.wait_at = 2
    click(dock.run_box.run_button)
    qtbot.waitUntil(engine.waiting.is_set)

    viewer.close()
    qtbot.wait(50)
    engine.go.set()
    GeneratorWorker.await_workers(msecs=5000)
    qtbot.wait(100)

    assert engine.n_closed == 1
    assert not GeneratorWorker._worker_set


def test_removing_the_dock_mid_run_leaves_a_working_viewer(window, qtbot, engine):
    viewer, dock = window
    dock.preview_box.click()
    engine.wait_at = 0
    qtbot.waitUntil(engine.waiting.is_set)

    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.wait(50)
    engine.go.set()
    GeneratorWorker.await_workers(msecs=5000)
    viewer.dims.set_current_step(0, 1)
    viewer.add_image(np.zeros((6, 40, 36)), name="PD")
    qtbot.wait(100)

    assert not GeneratorWorker._worker_set


def test_scrolling_and_cancelling_mid_run(window, qtbot, engine):
    viewer, dock = window
    engine.wait_at = 3
    click(dock.run_box.run_button)
    qtbot.waitUntil(engine.waiting.is_set)
    for index in range(6):
        viewer.dims.set_current_step(0, index)
        qtbot.wait(10)
    viewer.dims.ndisplay = 3
    qtbot.wait(50)
    viewer.dims.ndisplay = 2

    click(dock.run_box.cancel_button)
    engine.go.set()
    qtbot.waitUntil(lambda: not dock.is_busy)

    assert dock.run_box.run_button.isEnabled()
