"""What a dock remembers, what Preferences say, and the notice on the canvas."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_medsynth.catalogue import user_folder
from napari_medsynth.widgets import _activation, synthesize
from napari_medsynth.widgets.parts.state_chip import State


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)


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

    prepared = []
    monkeypatch.setattr(_activation, "prepare_viewer", prepared.append)
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    _activation.on_activate()

    assert prepared == []
