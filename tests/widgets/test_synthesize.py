"""The Synthesize dock over a viewer without a window and a fake engine."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.errors import CardError
from napari_medsynth.widgets import synthesize
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
    assert "FLAIR: PSNR 27.2 dB" in dock.quality_label.text()

    dock.modality_table.set_state("T2", State.IGNORED)
    assert dock.quality_label.text() == ""


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


def test_one_source_makes_a_ct_in_hu(qtbot, dock, viewer, cards, one_to_one):
    window = {"kind": "window", "low": -1024, "high": 3071}
    card = replace(
        one_to_one,
        id="mr-ct",
        task="synthesis",
        inputs=("MR",),
        intensity={"CT": window, "*": {"kind": "percentile"}},
    )
    cards.append(card)
    dock.model_box.refresh()
    dock.model_box.choose("mr-ct")
    assert list(dock.modality_table.sources()) == ["MR"]  # any MR image will do
    assert dock.modality_table.sources()["MR"].name == "T1"
    assert dock.modality_table.targets() == ("CT",)
    assert dock.reason() == ""

    dock.run()
    wait_until_done(qtbot, dock)

    made = viewer.layers[-1]
    assert made.name == "CT (synthetic: Fake CT)"
    assert tuple(made.contrast_limits) == (-1000, 2000)
    assert made.metadata["medsynth"]["modality"] == "CT"


def test_a_ct_is_black_before_it_is_made(qtbot, dock, viewer, engine):
    dock.model_box.choose("fake-ct")
    engine.wait_at = 0
    dock.run()
    qtbot.waitUntil(engine.waiting.is_set)

    assert np.all(viewer.layers[-1].data == -1000)
    engine.go.set()
    wait_until_done(qtbot, dock)


def test_models_that_restore_have_their_own_dock(dock, cards, one_to_one):
    degradation = {"kind": "rician", "sigma": 0.05}
    cards.append(replace(one_to_one, id="cleaner", degradation=degradation))
    dock.model_box.refresh()

    assert dock.model_box.model_combo.findData("fake-ct") >= 0
    assert dock.model_box.model_combo.findData("cleaner") < 0
