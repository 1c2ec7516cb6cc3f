"""The Synthesize dock over a viewer without a window and a fake engine."""

from __future__ import annotations

import gc
import json
import logging

import numpy as np
import pytest
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.catalogue import user_folder
from napari_medsynth.errors import CardError
from napari_medsynth.widgets import _activation, synthesize
from napari_medsynth.widgets.parts.state_chip import State


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)


def said(dock):
    return dock.run_box.status_label.text()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_layers_find_their_rows(dock):
    assert list(dock.modality_table.sources()) == ["T1", "T2"]
    assert dock.modality_table.targets() == ("PD", "FLAIR")
    assert dock.run_box.run_button.isEnabled()


def test_run_makes_one_layer_per_target(qtbot, dock, viewer, engine):
    dock.modality_table.set_state("PD", State.IGNORED)

    QTest.mouseClick(dock.run_box.run_button, Qt.MouseButton.LeftButton)
    assert dock.is_busy
    wait_until_done(qtbot, dock)

    assert names(viewer) == ["T1", "T2", "FLAIR (synthetic: Fake unified)"]
    assert said(dock).startswith("Made FLAIR in")
    result, source = viewer.layers[-1], viewer.layers[0]
    assert result.data.dtype == np.float32
    np.testing.assert_array_equal(result.data[:, 0, 0], np.arange(6) + 1)
    for attribute in ("scale", "translate"):
        np.testing.assert_allclose(
            getattr(result, attribute), getattr(source, attribute)
        )
    assert result.units == source.units
    assert result.contrast_limits == source.contrast_limits
    known = result.metadata["medsynth"]
    assert known["synthetic"] is True
    assert known["modality"] == "FLAIR"
    assert known["provenance"] == {"model": "fake-unified"}


def test_the_engine_gets_the_options_and_no_layers(qtbot, dock, engine):
    dock.options_box.set_options(
        {"plane": "coronal", "extent": "selected", "device": "cpu"}
    )
    dock.options_box.set_options({"first": 3, "last": 5})

    dock.run()
    wait_until_done(qtbot, dock)

    request = engine.requests[0]
    assert request.options.plane == "coronal"
    assert request.options.device == "cpu"
    assert sorted(request.slices) == [3, 4, 5]
    assert request.study.modalities == ("T1", "T2")


def test_the_shown_slice_is_made_first(qtbot, dock, viewer, engine):
    viewer.dims.set_current_step(0, 4)

    dock.run()
    wait_until_done(qtbot, dock)

    assert engine.requests[0].slices == (4, 5, 0, 1, 2, 3)


def test_current_slice_leaves_the_others_empty(qtbot, dock, viewer):
    viewer.dims.set_current_step(0, 2)
    dock.options_box.set_options({"extent": "current"})

    dock.run()
    wait_until_done(qtbot, dock)

    np.testing.assert_array_equal(viewer.layers[-1].data[:, 0, 0], [0, 0, 3, 0, 0, 0])


def test_a_second_run_keeps_the_first_result(qtbot, dock, viewer):
    for _ in range(2):
        dock.run()
        wait_until_done(qtbot, dock)

    assert "FLAIR (synthetic: Fake unified)" in names(viewer)
    assert "FLAIR (synthetic: Fake unified) [2]" in names(viewer)


def test_a_result_is_no_source_unless_chosen_by_hand(qtbot, dock, viewer):
    dock.run()
    wait_until_done(qtbot, dock)

    assert list(dock.modality_table.sources()) == ["T1", "T2"]
    assert dock.modality_table.targets() == ("PD", "FLAIR")


def test_attention_becomes_an_additive_layer_without_a_role(qtbot, dock, viewer):
    dock.options_box.set_options({"attention": "rollout"})

    dock.run()
    wait_until_done(qtbot, dock)

    layer = viewer.layers[-1]
    assert layer.name == "attention rollout art_1 (Fake unified)"
    assert layer.blending == "additive"
    assert layer.colormap.name == "inferno"
    assert layer.data.shape == (6, 4, 4)
    np.testing.assert_allclose(layer.scale, (3, 10, 1.2 * 9))
    combo = dock.modality_table.rows["PD"].combo
    assert combo.findText(layer.name) < 0


def test_a_ct_is_shown_in_the_window_of_its_card(qtbot, dock, viewer):
    dock.model_box.choose("fake-ct")

    dock.run()
    wait_until_done(qtbot, dock)

    assert tuple(viewer.layers[-1].contrast_limits) == (-1000, 2000)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("CUDA went away\nstack"), "The model failed: CUDA went away"),
        (CardError("A plain sentence."), "A plain sentence."),
        (MemoryError(), "Unexpected MemoryError: no message"),
    ],
)
def test_an_error_is_one_sentence_and_a_traceback_in_the_log(
    qtbot, dock, viewer, engine, caplog, error, sentence
):
    engine.raises = error

    with caplog.at_level(logging.ERROR):
        dock.run()
        wait_until_done(qtbot, dock)

    assert said(dock) == sentence
    assert any(record.exc_info for record in caplog.records)
    assert names(viewer) == ["T1", "T2"]  # no empty results
    assert dock.run_box.run_button.isEnabled()
    assert not dock.run_box.bar.isVisibleTo(dock)


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
    engine.wait_at = 0
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)
    dock.cancel()
    engine.raises = CardError("not reached as an error")
    engine.raises = None
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert len(viewer.layers) in (2, 4)  # the batch that was running may have come


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


def test_states_say_why_run_is_impossible(qtbot, viewer, add, engine, cards):
    dock = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(dock)
    reason = dock.run_box.reason_label.text

    assert reason() == "Open an image, or choose the layer of a contrast above."
    assert not dock.run_box.run_button.isEnabled()
    add(viewer, "T1", "T2", "PD", "FLAIR")
    assert reason().startswith("Nothing to synthesise: click a chip")
    dock.modality_table.set_state("FLAIR", State.TARGET)
    assert reason() == ""
    assert dock.run_box.run_button.isEnabled()
    dock.run()
    wait_until_done(qtbot, dock)
    assert engine.requests[0].targets == ("FLAIR",)
    assert engine.requests[0].study.modalities == ("T1", "T2", "PD")
    cards.clear()
    dock.model_box.refresh()
    assert "No model is installed" in reason()


def test_a_layer_that_cannot_be_used_is_one_sentence(dock, viewer, engine):
    viewer.layers["T1"].rotate = 30

    dock.run()

    assert not dock.is_busy
    assert "rotated or sheared" in said(dock)
    assert engine.requests == []


def test_measured_quality_of_the_choice_is_shown(dock):
    dock.modality_table.set_state("PD", State.IGNORED)
    assert "FLAIR 27.2 dB" in dock.quality_label.text()

    dock.modality_table.set_state("T2", State.IGNORED)
    assert dock.quality_label.text() == ""


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


def test_settings_come_back(qtbot, dock, viewer, preferences):
    dock.options_box.set_options({"plane": "sagittal", "attention": "mean"})
    dock.options_box.device_combo.setCurrentText("cpu")
    dock.options_box.expand(animate=False)
    dock.model_box.choose("fake-ct", task="denoising")

    again = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(again)
    again.settle()

    assert again.options_box.options() == dock.options_box.options()
    assert again.options_box.options().plane == "sagittal"
    assert again.card.id == "fake-ct"
    assert again.model_box.task == "denoising"
    assert again.options_box.isExpanded()
    assert preferences["device"] == "cpu"


@pytest.mark.parametrize("text", ["{not json", "[1, 2]", '{"options": 3, "model": []}'])
def test_damaged_settings_are_forgotten(qtbot, viewer, text):
    path = user_folder() / "settings" / "synthesize.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)

    dock = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(dock)
    dock.settle()
    dock.options_box.plane_combo.setCurrentIndex(1)

    assert json.loads(path.read_text())["options"]["plane"] == "coronal"


def test_results_are_saved_where_preferences_say(
    qtbot, dock, viewer, preferences, tmp_path
):
    preferences["results"] = str(tmp_path / "out")
    dock.modality_table.set_state("PD", State.IGNORED)

    for _ in range(2):
        dock.run()
        wait_until_done(qtbot, dock)

    found = sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz"))
    assert found == [
        "FLAIR_synthetic_fake-unified.nii.gz",
        "FLAIR_synthetic_fake-unified_2.nii.gz",
    ]


def test_notice_is_on_the_canvas_while_a_synthetic_layer_is_visible(
    qtbot, dock, viewer
):
    notice = viewer.canvas.overlays["medsynth_notice"]
    assert not notice.visible

    dock.run()
    wait_until_done(qtbot, dock)
    assert notice.visible
    assert notice.text == "SYNTHETIC - not for diagnosis"

    for layer in list(viewer.layers)[2:]:
        layer.visible = False
    assert not notice.visible


def test_everything_has_a_tool_tip_and_can_be_reached_by_keyboard(dock):
    controls = [
        dock.model_box.task_combo,
        dock.model_box.model_combo,
        dock.model_box.refresh_button,
        dock.options_box.plane_combo,
        dock.options_box.extent_combo,
        dock.options_box.first_spin,
        dock.options_box.attention_combo,
        dock.preview_box,
        dock.run_box.run_button,
        dock.run_box.cancel_button,
    ]
    for row in dock.modality_table.rows.values():
        controls += [row.box, row.combo, row.chip]

    for control in controls:
        assert control.toolTip(), control
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control


def test_keyboard_runs_and_cancels(qtbot, dock, engine):
    engine.wait_at = 1
    dock.show()
    dock.activateWindow()
    qtbot.wait(100)
    if not dock.isActiveWindow():
        pytest.skip("no window manager: no window has the keyboard")
    focus = dock.preview_box
    focus.setFocus()

    QTest.keyClick(focus, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(engine.waiting.is_set)
    QTest.keyClick(focus, Qt.Key.Key_Escape)
    engine.go.set()
    wait_until_done(qtbot, dock)

    assert said(dock).startswith("Cancelled")


def test_preferences_changed_elsewhere_show_in_the_dock(dock, preferences):
    preferences.update(device="cpu", live_preview=True)
    (listener,) = preferences["listeners"]
    listener()

    assert dock.options_box.options().device == "cpu"
    assert dock.preview_box.isChecked()


def test_notice_comes_with_the_first_use_of_the_plugin(qtbot, viewer, monkeypatch):
    import napari

    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    _activation.on_activate()
    qtbot.waitUntil(lambda: "medsynth_notice" in viewer.canvas.overlays)
    notice = viewer.canvas.overlays["medsynth_notice"]

    known = {"medsynth": {"synthetic": True}}
    viewer.add_image(np.zeros((3, 4)), metadata=known)
    assert notice.visible
    _activation.prepare_viewer(viewer)  # again changes nothing
    assert viewer.canvas.overlays["medsynth_notice"] is notice
    viewer.layers.clear()
    assert not notice.visible


def test_activation_without_a_viewer_does_nothing(monkeypatch):
    import napari

    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    _activation.on_activate()
