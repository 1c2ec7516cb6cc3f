"""The dock that super-resolves and denoises, over a fake engine."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.engine import interpolated
from napari_medsynth.engine.progress import Progress, Result
from napari_medsynth.errors import CardError
from napari_medsynth.widgets import _restore_work
from napari_medsynth.widgets._preferences import Preferences, recall
from napari_medsynth.widgets.restore import RestoreWidget
from widgets.restoring import CLEANER, FINER, RICIAN, THINNER


class FakeRestorer:
    """Gives slice i the value i + 1; waits before the second slice until `go`."""

    def __init__(self):
        self.requests = []
        self.slices = []
        self.waits = False
        self.raises = None
        self.n_closed = 0
        self.go, self.waiting = threading.Event(), threading.Event()

    def restore(self, request, volume, slices):
        self.requests.append(request)
        self.slices.append(slices)
        try:
            return (yield from self._steps(request, volume, slices))
        finally:
            self.n_closed += 1

    def _steps(self, request, volume, slices):
        options = request.options
        made = interpolated(
            volume, request.card, factor=options.factor, plane=options.plane
        )
        data = made.data.copy()
        n = made.shape[0]
        wanted = range(n) if slices is None else slices
        wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
        yield Progress(0, len(wanted))
        for done, index in enumerate(wanted):
            if self.waits and done == 1:
                self.waiting.set()
                self.go.wait(10)
            if self.raises is not None:
                raise self.raises
            data[0, index] = index + 1
            images = {request.card.outputs[0]: data[0, [index]].copy()}
            images = images if slices is not None else {}  # the mean comes at the end
            yield Progress(done + 1, len(wanted), (index,), images)
        metadata = {"synthetic": True, "provenance": {"model": request.card.id}}
        made = made.with_data(data, metadata=metadata, name=f"{volume.name} (better)")
        return Result({request.card.outputs[0]: made})


@pytest.fixture
def restorer(monkeypatch):
    fake = FakeRestorer()

    def restore(request, volume, slices):
        return (yield from fake.restore(request, volume, slices))

    monkeypatch.setattr(_restore_work, "_restore", restore)
    yield fake
    fake.go.set()


@pytest.fixture
def cards(cards):
    cards += [FINER, THINNER, CLEANER, RICIAN]
    return cards


@pytest.fixture
def dock(viewer, add, cards, restorer, qtbot):
    add(viewer, "T1", "T2")
    widget = RestoreWidget(viewer)
    qtbot.addWidget(widget)
    widget.settle()
    return widget


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)


def said(dock):
    return dock.run_box.status_label.text()


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_only_models_that_restore_are_offered_one_task_at_a_time(dock):
    combo = dock.model_box.model_combo
    offered = [combo.itemText(i) for i in range(combo.count())]
    assert offered == ["Finer", "Thinner"]

    dock.model_box.choose("rician", task="denoising")

    assert dock.card == RICIAN
    assert combo.count() == 2


def test_run_makes_a_finer_layer_over_the_image(qtbot, dock, viewer):
    dock.image_combo.choose(viewer.layers["T1"])

    click(dock.run_box.run_button)
    assert dock.is_busy
    wait_until_done(qtbot, dock)

    result, source = viewer.layers[-1], viewer.layers["T1"]
    assert result.name == "T1 (better)"
    assert result.data.shape == (6, 80, 72)
    np.testing.assert_allclose(result.scale, np.divide(source.scale, (1, 2, 2)))
    for end in (0, 1):  # outer borders of the voxels
        half = 0.5 if end else -0.5
        np.testing.assert_allclose(
            result.extent.world[end] + half * result.scale,
            source.extent.world[end] + half * source.scale,
        )
    assert result.units == source.units
    assert result.contrast_limits == source.contrast_limits
    assert result.metadata["medsynth"]["synthetic"] is True
    np.testing.assert_array_equal(result.data[:, 3, 4], np.arange(6) + 1)
    assert "3 x 0.5 x 0.6 mm" in said(dock)


def test_what_is_on_the_screen_is_done_first_and_seen_at_once(
    qtbot, dock, viewer, restorer
):
    restorer.waits = True
    viewer.dims.set_point(0, viewer.layers["T2"].extent.world[0][0] + 3 * 3.0)
    dock.run()
    qtbot.waitUntil(restorer.waiting.is_set)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)

    live = viewer.layers[-1]
    qtbot.waitUntil(lambda: live.data[3, 0, 0] == 4)
    assert restorer.slices == [(3, 4, 5, 0, 1, 2)]
    volume = restorer.requests[0].load()
    np.testing.assert_allclose(live.data[0], interpolated(volume, FINER).data[0, 0])
    assert live.metadata["medsynth"]["synthetic"] is True
    restorer.go.set()
    wait_until_done(qtbot, dock)


def test_options_reach_the_engine(qtbot, dock, restorer):
    dock.model_box.choose("thinner", task="super-resolution")
    dock.restore_box.factor_spin.setValue(1.5)
    dock.restore_box.set_options(
        {"plane": "sagittal", "extent": "current", "device": "cpu", "tile": 128}
    )
    dock.run()
    wait_until_done(qtbot, dock)

    (request,) = restorer.requests
    options = request.options
    assert (options.factor, options.plane, options.tile) == (1.5, "sagittal", 128)
    assert options.device == "cpu"
    assert isinstance(restorer.slices[0], int)


def test_a_model_of_one_factor_offers_no_other(dock):
    dock.model_box.choose("finer", task="super-resolution")
    assert dock.restore_box.options().factor == 2
    dock.restore_box.set_card(replace(FINER, scale=2, size_multiple=2))

    assert not dock.restore_box.factor_spin.isEnabled()
    assert dock.restore_box.options().factor is None


def test_tiles_that_are_mostly_overlap_are_not_offered(dock):
    dock.restore_box.set_options({"tile": 128})
    assert dock.restore_box.options().tile == 128

    dock.restore_box.set_card(replace(FINER, tile=504, overlap=148))
    assert dock.restore_box.options().tile is None
    dock.restore_box.set_options({"tile": 256})
    assert dock.restore_box.options().tile is None
    dock.restore_box.set_options({"tile": 384})

    assert dock.restore_box.options().tile == 384


def test_thick_slices_are_run_on_both_planes_unless_one_is_chosen(
    qtbot, dock, restorer
):
    dock.model_box.choose("thinner", task="super-resolution")
    dock.run()
    wait_until_done(qtbot, dock)

    assert restorer.slices == [None]
    assert restorer.requests[0].planes == ("coronal", "sagittal")


def test_one_slice_of_two_planes_is_not_run(dock):
    dock.model_box.choose("thinner", task="super-resolution")
    dock.restore_box.set_options({"extent": "current"})
    assert "choose one of them" in dock.run_box.reason_label.text()

    dock.restore_box.set_options({"plane": "coronal"})

    assert dock.run_box.reason_label.text() == ""


def test_cancel_keeps_what_is_done(qtbot, dock, viewer, restorer):
    restorer.waits = True
    dock.run()
    qtbot.waitUntil(restorer.waiting.is_set)

    click(dock.run_box.cancel_button)
    restorer.go.set()
    wait_until_done(qtbot, dock)

    assert said(dock) == "Cancelled; what was done stays."
    assert restorer.n_closed == 1
    assert len(viewer.layers) == 3


def test_a_failure_is_a_sentence_and_leaves_no_layer(qtbot, dock, viewer, restorer):
    for error, words in (
        (CardError("It does not fit."), "It does not fit."),
        (RuntimeError("out of memory"), "out of memory"),
    ):
        restorer.raises = error
        dock.run()
        wait_until_done(qtbot, dock)

        assert words in said(dock)
        assert names(viewer) == ["T1", "T2"]
        assert dock.run_box.run_button.isEnabled()


def test_a_layer_that_cannot_be_read_is_a_sentence(qtbot, dock, viewer):
    turned = viewer.add_image(np.ones((3, 30, 30)), rotate=20, name="turned")
    qtbot.waitUntil(lambda: dock.image_combo.findText("turned") >= 0)
    dock.image_combo.choose(turned)

    dock.run()
    wait_until_done(qtbot, dock)

    assert "turned" in said(dock)
    assert len(viewer.layers) == 3


def test_undo_takes_the_last_result_away(qtbot, dock, viewer):
    dock.run()
    wait_until_done(qtbot, dock)
    assert dock.undo_button.isEnabled()

    click(dock.undo_button)

    assert names(viewer) == ["T1", "T2"]
    assert not dock.undo_button.isEnabled()


def test_denoising_shows_residual_noise_and_numbers(qtbot, dock, viewer):
    dock.model_box.choose("cleaner", task="denoising")
    dock.restore_box.set_options({"has_residual": True, "has_noise_map": True})
    image = np.asarray(dock.layer.data)

    dock.run()
    wait_until_done(qtbot, dock)

    clean, taken, noise = list(viewer.layers)[-3:]
    np.testing.assert_allclose(taken.data, image - clean.data, atol=1e-4)
    assert taken.metadata["medsynth"]["role"] == "difference"
    assert noise.data.min() >= 0
    assert not noise.visible
    assert "Noise level: " in said(dock)
    assert "0 HU after" in said(dock)  # each slice has one value
    assert dock.image_combo.findText(noise.name) < 0  # maps are no images
    click(dock.undo_button)
    assert names(viewer) == ["T1", "T2"]


def test_the_image_that_is_chosen_stays_chosen(dock, viewer):
    dock.image_combo.choose(viewer.layers["T1"])
    viewer.add_image(np.ones((3, 20, 20)), name="another")
    dock.settle()
    assert dock.layer is viewer.layers["T1"]

    viewer.layers.remove("T1")
    dock._on_layers_changed()

    assert dock.layer is not None
    assert dock.layer in viewer.layers


def test_it_says_when_an_image_is_of_another_kind(dock, viewer):
    dock.model_box.choose("cleaner", task="denoising")

    text = dock.image_label.text()

    assert "6 x 40 x 36 voxels of 3 x 1 x 1.2 mm" in text
    assert "one of CT; this image seems to be MR" in text
    dock.model_box.choose("rician", task="denoising")
    assert "seems" not in dock.image_label.text()


def test_without_model_or_image_it_says_what_to_do(qtbot, viewer, cards, restorer):
    dock = RestoreWidget(viewer)
    qtbot.addWidget(dock)
    dock.settle()
    assert dock.run_box.reason_label.text() == "Open an image first."
    assert not dock.degrade_box.make_button.isEnabled()

    del cards[:]
    dock.model_box.refresh()

    assert "No trained model" in dock.run_box.reason_label.text()
    dock.run()
    assert not dock.is_busy


def test_choices_are_remembered_and_preferences_respected(
    qtbot, dock, viewer, monkeypatch
):
    dock.model_box.choose("rician", task="denoising")
    dock.restore_box.set_options({"tile": 256, "has_residual": True})
    dock.degrade_box.share_spin.setValue(11)
    dock.remember()
    monkeypatch.setattr(Preferences, "device", "cpu")

    other = RestoreWidget(viewer)
    qtbot.addWidget(other)
    other.settle()

    assert recall("restore")["model"] == "rician"
    assert other.card == RICIAN
    options = other.restore_box.options()
    assert (options.device, options.tile, options.has_residual) == ("cpu", 256, True)
    assert other.degrade_box.spec() == {"kind": "rician", "sigma": 0.11}


@pytest.mark.parametrize(
    "kept", [{"model": 7, "options": [], "degrade": "x"}, {"options": {"tile": "big"}}]
)
def test_damaged_choices_change_nothing(dock, kept):
    before = dock.to_json()
    dock.set_from_json({**before, **kept, "model": "finer"})
    assert dock.card == FINER


def test_keys_run_cancel_and_undo(qtbot, dock, viewer, restorer):
    dock.show()
    dock.activateWindow()
    qtbot.wait(100)
    if not dock.isActiveWindow():
        pytest.skip("no window manager: no window has the keyboard")
    focus = dock.image_combo
    focus.setFocus()
    restorer.waits = True

    QTest.keyClick(focus, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(restorer.waiting.is_set)
    QTest.keyClick(focus, Qt.Key.Key_Escape)
    restorer.go.set()
    wait_until_done(qtbot, dock)
    assert said(dock).startswith("Cancelled")
    assert len(viewer.layers) == 3
    QTest.keyClick(focus, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)

    assert names(viewer) == ["T1", "T2"]


def test_destroying_the_dock_mid_run_stops_the_worker(
    qtbot, viewer, add, cards, restorer
):
    add(viewer, "T1")
    dock = RestoreWidget(viewer)
    dock.settle()
    restorer.waits = True
    dock.run()
    qtbot.waitUntil(restorer.waiting.is_set)

    dock.deleteLater()
    del dock
    qtbot.wait(50)
    gc.collect()
    restorer.go.set()
    assert GeneratorWorker.await_workers(msecs=5000) is None
    qtbot.wait(50)

    assert restorer.n_closed == 1
    viewer.add_image(np.zeros((3, 4, 5)), name="T2")  # nobody listens any more


def test_every_choice_can_be_reached_and_is_explained(dock):
    for widget in (
        *dock.restore_box._combos().values(),
        *dock.restore_box._boxes().values(),
        dock.restore_box.factor_spin,
        dock.degrade_box.factor_spin,
        dock.degrade_box.word_combo,
        dock.degrade_box.share_spin,
        dock.degrade_box.make_button,
        dock.model_box.task_combo,
        dock.image_combo,
        dock.undo_button,
        dock.run_box.run_button,
    ):
        assert widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
