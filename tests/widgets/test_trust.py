"""The Trust dock: choices, requests, what its parts are told, remembering, ending."""

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

from napari_medsynth.trust.calibration import Calibration, save_calibration
from napari_medsynth.trust.site import Row, SelfTest, save_self_test
from napari_medsynth.widgets import _dock, _trust_view, trust
from napari_medsynth.widgets._preferences import recall
from napari_medsynth.widgets.parts.state_chip import State
from widgets.trust_model import CARD, Mixer, MixerSession


@pytest.fixture(autouse=True)
def mixers(monkeypatch, cards):
    """One model, of which all is known; nothing is loaded in the background."""
    cards[:] = [CARD]
    mixer = Mixer()

    def session():
        made = MixerSession()
        made.mixer = mixer
        return made

    monkeypatch.setattr(_trust_view, "Session", session)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)
    monkeypatch.setattr(trust, "AFTER_SHOWING", 1)
    yield mixer
    mixer.go.set()


@pytest.fixture
def make(viewer, qtbot):
    def make_dock():
        dock = trust.TrustWidget(viewer)
        qtbot.addWidget(dock)
        dock.show()
        qtbot.waitUntil(lambda: dock.is_ready)
        return dock

    return make_dock


def settle(dock, qtbot):
    qtbot.wait(30)
    boxes = dock.boxes().values()
    qtbot.waitUntil(lambda: not any(b.is_busy for b in boxes), timeout=10_000)


def test_opens_with_something_to_look_into(viewer, add, make, qtbot):
    add(viewer, "T1", "T2", "PD", "FLAIR")
    dock = make()
    request = dock.request()
    assert request.targets == ("FLAIR",)
    assert request.study.modalities == ("T1", "T2", "PD")
    assert request is dock.request()
    settle(dock, qtbot)
    assert dock.contribution_box.form.bars.isEnabled()


def test_what_was_made_is_looked_into_first(viewer, add, make, study):
    add(viewer, "T1", "T2")
    facts = {"modality": "PD", "synthetic": True}
    viewer.add_image(study["PD"].data[0], name="PD", metadata={"medsynth": facts})
    add(viewer, "FLAIR", "PD")
    assert make().request().targets == ("PD",)


def test_without_an_image_it_says_what_to_do(viewer, make):
    dock = make()
    assert dock.request() is None
    assert dock.reason_label.text().startswith("Open an image")
    assert not dock.contribution_box.form.run_box.run_button.isEnabled()


def test_changes_are_told_once_the_layers_change(viewer, add, make, qtbot):
    dock = make()
    with qtbot.waitSignal(dock.changed):
        add(viewer, "T1", "T2")
    assert dock.reason() == ""
    assert dock.contribution_box.form.run_box.run_button.isEnabled()
    before = dock.request()
    with qtbot.waitSignal(dock.changed):
        dock.plane_combo.setCurrentText("coronal")
    assert dock.request() is not before
    assert dock.request().axis == 1


def test_new_voxels_are_read_again(viewer, add, make, mixers, qtbot):
    layers = add(viewer, "T1", "T2")
    dock = make()
    settle(dock, qtbot)
    before, n_runs = dock.request(), mixers.n_runs
    layers[0].data = layers[0].data[::-1].copy()
    settle(dock, qtbot)
    assert dock.request() is not before
    np.testing.assert_array_equal(dock.request().study["T1"].data[0], layers[0].data)
    assert mixers.n_runs > n_runs


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_layer_that_cannot_be_a_source_is_said(viewer, add, make, qtbot):
    (layer,) = add(viewer, "T1")
    dock = make()
    layer.rotate = (30, 0, 0)
    dock.view.requests.forget()
    assert dock.request() is None
    assert dock.reason()
    assert dock.reason_label.text() == dock.reason()


def test_advice_follows_the_sources(viewer, add, make, qtbot):
    add(viewer, "T1", "T2", "FLAIR")
    dock = make()
    dock.modality_table.set_state("T2", State.IGNORED)
    dock.modality_table.set_state("FLAIR", State.TARGET)
    settle(dock, qtbot)
    assert [row[0] for row in dock.advice_view.table.texts()] == ["T2 for FLAIR"]


def test_escape_cancels_all_slices(viewer, add, make, mixers, qtbot):
    add(viewer, "T1", "T2")
    dock = make()
    settle(dock, qtbot)
    mixers.go.clear()
    form = dock.contribution_box.form
    form.run_box.run_button.click()
    qtbot.waitUntil(lambda: form.run_box.is_running)
    dock.activateWindow()
    form.live_box.setFocus()
    qtbot.waitUntil(lambda: form.live_box.hasFocus())
    QTest.keyClick(form.live_box, Qt.Key.Key_Escape)
    assert not form.run_box.is_running
    mixers.go.set()


def test_choices_are_remembered(viewer, add, make, qtbot):
    add(viewer, "T1", "T2")
    dock = make()
    dock.plane_combo.setCurrentText("sagittal")
    dock.contribution_box.form.live_box.setChecked(False)
    dock.sections["Consistency"].expand(animate=False)
    settle(dock, qtbot)
    kept = recall("trust")
    assert kept["plane"] == "sagittal"
    assert kept["contribution"]["is_live"] is False
    assert kept["open"]["Consistency"] is True
    again = make()
    assert again.plane_combo.currentText() == "sagittal"
    assert not again.contribution_box.form.live_box.isChecked()


def test_dock_that_is_closed_hears_nothing(viewer, add, mixers, qtbot):
    add(viewer, "T1", "T2")
    dock = trust.TrustWidget(viewer)
    dock.show()
    qtbot.waitUntil(lambda: dock.is_ready)
    settle(dock, qtbot)
    n_runs, seen = mixers.n_runs, weakref.ref(dock.view)
    dock.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    add(viewer, "PD")
    viewer.dims.set_current_step(0, 4)
    qtbot.wait(250)
    assert mixers.n_runs == n_runs
    assert seen() is None or seen().is_closed


def test_what_is_measured_here_is_told_at_once(viewer, add, make, qtbot):
    add(viewer, "T1", "T2", "PD")
    dock = make()
    settle(dock, qtbot)
    box = dock.uncertainty_box
    assert "not calibrated here" in box.form.statement_label.text()
    facts = {
        "target": "FLAIR",
        "sources": ["T1", "T2", "PD"],
        "method": "augmentation",
        "plane": "axial",
    }
    save_calibration(CARD, Calibration(2.0, 0.9, 0.9, 0.9, 0.8, 12, True, facts=facts))
    dock.site_box.calibrated.emit()
    assert "like the 12 measured here" in box.form.statement_label.text()

    row = Row("a", ("T1", "T2", "PD"), "FLAIR", 21.5, 0.8, 0.1)
    save_self_test(CARD, SelfTest(CARD.id, CARD.sha256, "2026-11-20", (row,)))
    dock.site_box.measured.emit()
    labels = dock.advice_view.findChildren(QLabel)
    assert any("21.5" in label.text() for label in labels)


def test_the_method_of_how_sure_is_what_is_calibrated(viewer, add, make, qtbot):
    add(viewer, "T1", "T2", "PD")
    dock = make()
    settle(dock, qtbot)
    combo = dock.uncertainty_box.form.method_combo
    combo.setCurrentIndex(combo.findData("dropout"))
    purpose = dock.site_box.calibration_box.purpose_label.text()
    assert purpose == "Interval of FLAIR made of T1, T2, PD, by dropout, axial."
