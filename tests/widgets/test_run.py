"""A run that is cancelled, or whose viewer changes under it."""

from __future__ import annotations

import gc

import numpy as np
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.widgets import synthesize


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)


def said(dock):
    return dock.run_box.status_label.text()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_cancel_stops_within_one_batch_and_keeps_what_is_done(
    qtbot, dock, viewer, engine
):
    engine.wait_at = 2
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    QTest.mouseClick(dock.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert said(dock).startswith("Cancelling")
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert said(dock) == "Cancelled; what was done stays."
    assert engine.n_closed == 1
    assert np.count_nonzero(viewer.layers[-1].data[:, 0, 0]) <= 3


def test_cancel_before_the_first_slice_leaves_no_layer(qtbot, dock, viewer, engine):
    dock.run()
    dock.cancel()
    wait_until_done(qtbot, dock)

    assert names(viewer) == ["T1", "T2"]
    assert engine.requests == []
    assert said(dock).startswith("Cancelled")


def test_removing_a_source_mid_run_changes_nothing_for_the_run(
    qtbot, dock, viewer, engine
):
    engine.wait_at = 2
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    viewer.layers.remove("T1")
    assert "T1" not in dock.modality_table.sources()
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert said(dock).startswith("Made")


def test_removing_every_result_mid_run_cancels(qtbot, dock, viewer, engine):
    engine.wait_at = 2
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    for layer in list(viewer.layers)[2:]:
        viewer.layers.remove(layer)
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert names(viewer) == ["T1", "T2"]
    assert said(dock).startswith("Cancelled")


def test_changing_model_and_slider_mid_run_changes_nothing_for_the_run(
    qtbot, dock, viewer, engine
):
    engine.wait_at = 3
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    dock.model_box.choose("fake-ct")
    viewer.dims.set_current_step(0, 5)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.ndisplay = 3
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert said(dock).startswith("Made PD, FLAIR in")


def test_destroying_the_dock_mid_run_stops_the_worker(qtbot, viewer, add, engine):
    add(viewer, "T1")
    dock = synthesize.SynthesizeWidget(viewer)
    dock.settle()
    engine.wait_at = 2
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    dock.deleteLater()
    del dock
    qtbot.wait(50)
    gc.collect()
    engine.go.set()
    assert GeneratorWorker.await_workers(msecs=5000) is None
    qtbot.wait(50)
    assert engine.n_closed == 1

    viewer.add_image(np.zeros((3, 4, 5)), name="T2")  # nobody listens any more
    viewer.dims.set_current_step(0, 1)
