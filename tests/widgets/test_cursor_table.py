"""The live table of what is under the mouse."""

import gc

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication

from napari_medsynth.widgets.parts.cursor_table import CursorTable


@pytest.fixture
def table(viewer, qtbot):
    for name, shift in (("T1", 0), ("T2", 100)):
        viewer.add_image(
            np.arange(24, dtype=np.float32).reshape(2, 3, 4) + shift,
            name=name,
            units=("mm",) * 3,
            metadata={"medsynth": {"direction": np.eye(3).tolist()}},
        )
    made = CursorTable(viewer)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def cells(table):
    rows = range(table.table.rowCount())
    return [[table.table.item(row, c).text() for c in range(2)] for row in rows]


def point_at(viewer, point):
    viewer.dims.point = point
    viewer.cursor.position = tuple(float(p) for p in point)


def test_the_table_follows_the_mouse(table, viewer, qtbot):
    point_at(viewer, (1, 2, 3))
    qtbot.waitUntil(lambda: cells(table) == [["T2", "123"], ["T1", "23"]])
    assert table.position_label.text() == "3.0 mm L, 2.0 mm P, 1.0 mm S"
    point_at(viewer, (0, 1, 1))
    qtbot.waitUntil(lambda: cells(table) == [["T2", "105"], ["T1", "5"]])


def test_hidden_and_removed_layers_are_told(table, viewer, qtbot):
    point_at(viewer, (1, 2, 3))
    viewer.layers["T2"].visible = False
    qtbot.waitUntil(lambda: cells(table)[:1] == [["T2 (hidden)", "123"]])
    viewer.layers.remove("T1")
    qtbot.waitUntil(lambda: len(cells(table)) == 1)


def test_many_movements_are_read_once(table, viewer, qtbot, monkeypatch):
    qtbot.wait(100)
    seen = []
    monkeypatch.setattr(table, "_show", seen.append)
    for x in range(200):
        viewer.cursor.position = (0.0, 0.0, x / 100)
    qtbot.wait(150)
    assert len(seen) == 1
    assert seen[0].position.startswith("2.0 mm L")


def test_a_hidden_table_reads_nothing(table, viewer, qtbot, monkeypatch):
    table.hide()
    seen = []
    monkeypatch.setattr(table, "_show", seen.append)
    point_at(viewer, (1, 2, 3))
    qtbot.wait(120)
    assert seen == []


def test_key_and_button_copy_the_line(table, viewer):
    point_at(viewer, (1, 2, 3))
    QGuiApplication.clipboard().clear()
    table.copy_button.click()
    line = "3.0 mm L, 2.0 mm P, 1.0 mm S | T2: 123; T1: 23"
    assert QGuiApplication.clipboard().text() == line
    QGuiApplication.clipboard().clear()
    next(f for key, f in viewer.keymap.items() if str(key) == "Shift+C")(viewer)
    assert QGuiApplication.clipboard().text() == line


def test_closing_leaves_nothing_in_the_viewer(table, viewer, qtbot):
    assert viewer.keymap
    table.close()
    table.close()
    assert not viewer.keymap
    point_at(viewer, (1, 2, 3))
    qtbot.wait(80)
    assert table.spot.readings == ()


def test_a_destroyed_table_leaves_nothing_in_the_viewer(viewer, qtbot):
    table = CursorTable(viewer)
    table.deleteLater()
    QApplication.sendPostedEvents(table, QEvent.Type.DeferredDelete)
    del table
    gc.collect()
    assert not viewer.keymap
    point_at(viewer, (1, 2, 3))
    viewer.add_image(np.zeros((2, 2, 2)))
    qtbot.wait(80)


def test_the_cross_hair_is_remembered(table, viewer, qtbot):
    with qtbot.waitSignal(table.changed):
        table.cross_box.setChecked(True)
    assert table.to_json() == {"cross_hair": True}
    table.set_from_json({})
    assert not table.cross_box.isChecked()
    table.set_from_json({"cross_hair": True})
    assert table.cross_box.isChecked()
