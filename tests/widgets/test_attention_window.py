"""Attention in a real window, with real clicks; needs an X server and OpenGL."""

from __future__ import annotations

import numpy as np
import pytest
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_medsynth.engine import slice_network
from napari_medsynth.widgets import _attention_form, attention
from widgets.attention_models import Looker, looker_card

pytestmark = pytest.mark.gl

LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier

SPACING = 4  # pixels between cells


@pytest.fixture
def window(make_napari_viewer_proxy, add, qtbot, monkeypatch):
    """A shown viewer with T1 and T2, and the dock with two models ticked."""
    real = slice_network.SliceNetwork
    shifts = {"base": 1, "tuned": 7}

    def network(card, **options):
        return real(card, model=Looker(shifts[card.id]), **options)

    monkeypatch.setattr(slice_network, "SliceNetwork", network)
    cards = [looker_card(name) for name in shifts]
    monkeypatch.setattr(_attention_form, "list_cards", lambda: cards)
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1200, 768)
    add(viewer, "T1", "T2")
    viewer.dims.set_current_step(0, 2)
    dock = attention.AttentionWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Attention")
    qtbot.waitUntil(dock.isVisible)
    dock.model_list.choose(list(shifts))
    wait(qtbot, dock)
    return viewer, dock


def wait(qtbot, dock):
    qtbot.wait(60)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)
    qtbot.wait(60)


def canvas_of(viewer):
    with pytest.warns(FutureWarning):
        return viewer.window._qt_viewer.canvas.native


def place(canvas, cell, n_cells, x=0.5, y=0.5):
    width = (canvas.width() - (n_cells - 1) * SPACING) / n_cells
    across = cell * (width + SPACING) + x * width
    return QPoint(round(across), int(y * canvas.height()))


def click(canvas, where, modifiers=SHIFT):
    QTest.mouseMove(canvas, where)
    QTest.mouseClick(canvas, LEFT, modifiers, where)


def test_shift_click_asks_in_any_cell(window, qtbot):
    viewer, dock = window
    canvas = canvas_of(viewer)
    click(canvas, place(canvas, 0, 1))
    wait(qtbot, dock)
    assert dock.is_on
    assert viewer.canvas.grid.enabled
    asked = []
    for cell in (0, 1):
        click(canvas, place(canvas, cell, 2, 0.6, 0.45))
        wait(qtbot, dock)
        asked.append(dock._asks.current.places[0])
    np.testing.assert_allclose(*asked, atol=1)  # a pixel of the screen
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    green = (picture[..., 1] > 200) & (picture[..., 0] < 120) & (picture[..., 2] < 120)
    half = picture.shape[1] // 2
    assert green[:, :half].any()
    assert green[:, half:].any()


def test_a_click_without_shift_asks_nothing(window, qtbot):
    viewer, dock = window
    canvas = canvas_of(viewer)
    click(canvas, place(canvas, 0, 1), Qt.KeyboardModifier.NoModifier)
    wait(qtbot, dock)
    assert not dock.is_on


def test_shift_drag_draws_a_region_and_does_not_pan(window, qtbot):
    viewer, dock = window
    canvas = canvas_of(viewer)
    before = tuple(viewer.scene.camera.center)
    start = place(canvas, 0, 1, 0.4, 0.5)
    QTest.mouseMove(canvas, start)
    QTest.mousePress(canvas, LEFT, SHIFT, start)
    for turn in np.linspace(0, 2 * np.pi, 20):
        at = QPointF(start.x() + 60 - 60 * np.cos(turn), start.y() + 60 * np.sin(turn))
        global_at = canvas.mapToGlobal(at)
        none = Qt.MouseButton.NoButton
        event = QMouseEvent(QEvent.Type.MouseMove, at, global_at, none, LEFT, SHIFT)
        QApplication.sendEvent(canvas, event)
        qtbot.wait(5)
    assert tuple(viewer.scene.camera.center) == before
    QTest.mouseRelease(canvas, LEFT, SHIFT, at.toPoint())
    wait(qtbot, dock)
    (area,) = dock._asks.current.areas
    assert len(area) > 5  # Qt may join moves
    assert viewer.scene.camera.mouse_pan


def test_closing_the_viewer_while_maps_are_shown(window, qtbot):
    viewer, dock = window
    dock.show_button.click()
    wait(qtbot, dock)
    dock.run_box.run_button.click()
    viewer.close()
    GeneratorWorker.await_workers(msecs=5000)
    qtbot.wait(100)
    assert not GeneratorWorker._worker_set


def test_removing_the_dock_leaves_a_working_viewer(window, qtbot):
    viewer, dock = window
    dock.show_button.click()
    wait(qtbot, dock)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.wait(100)
    GeneratorWorker.await_workers(msecs=5000)
    viewer.dims.set_current_step(0, 4)
    viewer.add_image(np.zeros((6, 40, 36)), name="PD")
    qtbot.wait(100)
    assert not GeneratorWorker._worker_set


def names(viewer):
    return [(layer.name, layer.visible) for layer in viewer.layers]


@pytest.mark.parametrize("is_cross", [True, False])
def test_a_removed_dock_gives_everything_back(window, qtbot, is_cross):
    viewer, dock = window
    viewer.layers["T2"].visible = False
    dock.show_button.click()
    wait(qtbot, dock)
    assert viewer.canvas.grid.enabled
    assert len(viewer.layers) == 8
    if is_cross:
        dock.parent().destroyOnClose()
    else:
        viewer.window.remove_dock_widget(dock)
        dock.deleteLater()
        QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    qtbot.waitUntil(lambda: names(viewer) == [("T1", True), ("T2", False)])
    assert not viewer.canvas.grid.enabled
    again = attention.AttentionWidget(viewer)
    viewer.window.add_dock_widget(again, name="Attention")
    qtbot.waitUntil(again.isVisible)
    again.model_list.choose(["base", "tuned"])
    again.show_button.click()
    wait(qtbot, again)
    assert len(viewer.layers) == 8
    again.show_button.click()
    wait(qtbot, again)
    assert names(viewer) == [("T1", True), ("T2", False)]
    if is_cross:
        dock.deleteLater()


def test_maps_follow_the_slider_behind_another_dock(window, qtbot):
    viewer, dock = window
    dock.show_button.click()
    wait(qtbot, dock)
    dock.parent().hide()
    viewer.dims.set_current_step(0, 4)
    wait(qtbot, dock)
    layer = dock._view.cells.layers["Base", 0]
    assert layer.data_to_world((0, 0, 0))[0] == viewer.dims.point[0]
