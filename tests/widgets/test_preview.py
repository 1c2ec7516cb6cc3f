"""Live preview: the slice on the screen, and nothing that nobody asked for."""

from __future__ import annotations

import numpy as np

from napari_medsynth.widgets.parts.state_chip import State


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)


def said(dock):
    return dock.run_box.status_label.text()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_preview_follows_the_slider_and_the_newest_wins(qtbot, dock, viewer, engine):
    engine.wait_at = 0
    viewer.dims.set_current_step(0, 1)
    dock.preview_box.click()
    qtbot.waitUntil(engine.waiting.is_set)
    for index in (2, 3, 5):
        viewer.dims.set_current_step(0, index)
    engine.wait_at = None
    engine.go.set()
    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))
    layer = viewer.layers["FLAIR (preview)"]
    qtbot.waitUntil(lambda: layer.data[5, 0, 0] == 6)

    assert [request.slices for request in engine.requests] == [1, 5]
    np.testing.assert_array_equal(layer.data[:, 0, 0], [0, 2, 0, 0, 0, 6])
    np.testing.assert_allclose(layer.translate, viewer.layers["T1"].translate)

    viewer.dims.set_current_step(0, 1)  # known: nothing to compute
    qtbot.wait(300)
    assert len(engine.requests) == 2

    dock.preview_box.click()
    assert names(viewer) == ["T1", "T2"]


def test_preview_starts_anew_with_another_choice(qtbot, dock, viewer, engine):
    dock.preview_box.click()
    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))

    dock.modality_table.set_state("T2", State.TARGET)
    assert "FLAIR (preview)" not in names(viewer)
    qtbot.waitUntil(lambda: "T2 (preview)" in names(viewer))

    assert engine.requests[-1].study.modalities == ("T1",)


def test_preview_makes_way_for_a_run(qtbot, dock, viewer, engine):
    dock.preview_box.click()
    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))

    dock.run()
    assert "FLAIR (preview)" not in names(viewer)
    wait_until_done(qtbot, dock)
    n_requests = len(engine.requests)
    viewer.dims.set_current_step(0, 0)
    qtbot.wait(300)

    assert len(engine.requests) == n_requests


def test_preview_error_is_said_once(qtbot, dock, viewer, engine):
    engine.raises = RuntimeError("no memory")
    dock.preview_box.click()
    qtbot.waitUntil(lambda: said(dock) != "")
    qtbot.wait(300)

    assert said(dock) == "Live preview: The model failed: no memory"
    assert len(engine.requests) == 1


def test_new_data_of_a_source_start_the_preview_anew(qtbot, dock, viewer, engine):
    dock.preview_box.click()
    qtbot.waitUntil(lambda: len(engine.requests) == 1)

    viewer.layers["T1"].data = viewer.layers["T1"].data * 2
    qtbot.waitUntil(lambda: len(engine.requests) == 2)

    other = viewer.add_labels(np.zeros((6, 40, 36), int))
    other.data = np.ones((6, 40, 36), int)
    qtbot.wait(300)
    assert len(engine.requests) == 2


def test_preview_goes_on_after_a_run_of_one_slice(qtbot, dock, viewer, engine):
    dock.preview_box.click()
    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))
    dock.options_box.set_options({"extent": "current"})

    dock.run()
    wait_until_done(qtbot, dock)

    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))


def test_preview_saves_nothing(qtbot, dock, viewer, preferences, tmp_path):
    preferences["results"] = str(tmp_path / "out")

    dock.preview_box.click()
    qtbot.waitUntil(lambda: "FLAIR (preview)" in names(viewer))
    qtbot.wait(100)

    assert not (tmp_path / "out").exists()
