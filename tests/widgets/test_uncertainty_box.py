"""How sure?: layers, statement, mask, choices; with a model that is a weighted sum."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels
from numpy.testing import assert_allclose, assert_array_equal
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.trust.calibration import Calibration, save_calibration
from napari_medsynth.trust.uncertainty import uncertainty
from napari_medsynth.widgets._requests import Requests
from napari_medsynth.widgets._roles import Role, facts, shown_layers
from napari_medsynth.widgets.parts import uncertainty_box
from napari_medsynth.widgets.parts.options_box import RunOptions
from napari_medsynth.widgets.parts.uncertainty_box import UncertaintyBox
from widgets.trust_model import CARD, MixerSession

SOURCES = ("T1", "T2")
PURPOSE = {
    "target": "FLAIR",
    "sources": list(SOURCES),
    "method": "augmentation",
    "plane": "axial",
    "variants": 3,
}
KNOWN = Calibration(4.0, 0.9, 0.9, 0.93, 0.84, 12, True, facts=PURPOSE)
OTHER = replace(CARD, id="other", title="Other", sha256="c" * 64)


class Chosen:
    """A dock's choice: T1 and T2 give FLAIR."""

    def __init__(self, layers):
        self.layers, self.requests = layers, Requests()
        self.options, self.targets, self.reason = RunOptions(), ("FLAIR",), ""
        self.card = CARD

    def __call__(self):
        if self.reason:
            return None
        sources = dict(zip(SOURCES, self.layers, strict=True))
        made, _ = self.requests.make(
            {"m": self.card}, sources, self.targets, self.options
        )
        return made["m"]


@pytest.fixture
def chosen(viewer, add):
    return Chosen(add(viewer, *SOURCES))


@pytest.fixture(autouse=True)
def catalogue(monkeypatch):
    monkeypatch.setattr(uncertainty_box, "list_cards", lambda: [CARD])


@pytest.fixture
def session():
    made = MixerSession()
    yield made
    made.mixer.go.set()


@pytest.fixture
def box(viewer, chosen, session, qtbot):
    widget = UncertaintyBox(viewer, chosen, session)
    qtbot.addWidget(widget)
    widget.form.n_box.setValue(3)
    widget.show()
    widget.set_reason("")
    settle(widget, qtbot)
    yield widget
    session.mixer.go.set()
    widget.close()


def settle(box, qtbot):
    qtbot.wait(10)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)


def estimate(box, qtbot, extent="volume"):
    form = box.form
    form.extent_combo.setCurrentIndex(form.extent_combo.findData(extent))
    form.run_box.run_button.click()
    settle(box, qtbot)


def layer_of(viewer, word):
    (found,) = [layer for layer in viewer.layers if word in layer.name]
    return found


def by_the_core(chosen, session, n=3):
    request = chosen()
    prepared, network = session.model(request)
    steps = uncertainty(prepared, [network], n=n)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_one_click_shows_spread_and_mask_of_the_volume(
    box, viewer, chosen, session, qtbot
):
    box.form.mean_box.setChecked(True)
    estimate(box, qtbot)

    found = by_the_core(chosen, session)
    spread, mean = layer_of(viewer, "spread"), layer_of(viewer, "mean")
    assert_allclose(spread.data, found.spread["FLAIR"].data[0])
    assert_allclose(mean.data, found.mean["FLAIR"].data[0])
    assert spread.data.max() > 0
    assert_allclose(spread.contrast_limits, (0, 0.1 * found.ranges["FLAIR"]))
    mask = layer_of(viewer, "do not trust")
    assert isinstance(mask, Labels)
    assert_allclose(spread.scale, chosen.layers[0].scale)
    assert "head on 6 slices" in box.form.marked_label.text()
    assert "not calibrated here" in box.form.statement_label.text()
    assert not any("half-width" in layer.name for layer in viewer.layers)
    roles = {shown.layer.name: shown.role for shown in shown_layers(viewer.layers)}
    assert roles[spread.name] is roles[mask.name] is Role.TRUST
    assert roles[mean.name] is Role.SYNTHESIS
    provenance = facts(spread)["provenance"]
    assert provenance["uncertainty"]["variants"] == 3
    assert provenance["sha256"] == CARD.sha256


def test_slices_that_are_run_one_by_one_stay(box, viewer, chosen, session, qtbot):
    viewer.dims.set_current_step(0, 2)
    estimate(box, qtbot, "current")
    viewer.dims.set_current_step(0, 4)
    estimate(box, qtbot, "current")

    spread = layer_of(viewer, "spread").data  # one layer
    run = spread.any(axis=(1, 2))
    assert_array_equal(np.flatnonzero(run), [2, 4])
    assert "head on 2 slices" in box.form.marked_label.text()
    found = by_the_core(chosen, session).spread["FLAIR"].data[0]
    assert_allclose(spread[[2, 4]], found[[2, 4]])


def test_other_settings_begin_anew(box, viewer, qtbot):
    estimate(box, qtbot, "current")
    box.form.n_box.setValue(4)
    estimate(box, qtbot, "current")
    old, new = [layer for layer in viewer.layers if "spread" in layer.name]
    assert new.name == f"{old.name} [2]"
    assert new.visible and not old.visible


def test_cancel_keeps_what_is_done(box, viewer, session, qtbot):
    estimate(box, qtbot, "current")
    before = layer_of(viewer, "spread").data.copy()
    session.mixer.go.clear()
    form = box.form
    form.extent_combo.setCurrentIndex(form.extent_combo.findData("volume"))
    form.run_box.run_button.click()
    assert box.is_busy and form.run_box.cancel_button.isEnabled()
    form.run_box.cancel_button.click()
    assert form.run_box.status_label.text() == "Cancelled."
    session.mixer.go.set()
    settle(box, qtbot)
    assert_array_equal(layer_of(viewer, "spread").data, before)
    assert form.run_box.run_button.isEnabled()


def test_another_choice_stops_the_run(box, chosen, session, qtbot):
    session.mixer.go.clear()
    box.form.run_box.run_button.click()
    chosen.options = RunOptions(plane="coronal")
    box.set_reason("")
    qtbot.waitUntil(lambda: "something else" in box.form.run_box.status_label.text())
    session.mixer.go.set()
    settle(box, qtbot)
    assert box.view.maps == {}


def test_a_calibration_gives_the_interval_and_its_promise(box, viewer, qtbot):
    save_calibration(CARD, KNOWN)
    box.reload()
    settle(box, qtbot)
    estimate(box, qtbot)

    assert "For 90 % of new patients" in box.form.statement_label.text()
    assert box.form.limit_slider.value() == 20
    maps, wide = box.view.maps["FLAIR"], layer_of(viewer, "half-width")
    expected = 4.0 * (maps.spread + KNOWN.floor * maps.data_range)
    assert_allclose(wide.data, expected, rtol=1e-5)
    assert not wide.visible and layer_of(viewer, "spread").visible
    marked = box.form.marked_label.text().replace("\xa0", " ")
    inside = maps.inside
    share = 100 * (wide.data > 0.2 * maps.data_range)[inside].mean()
    assert f"Do not trust {share:.1f} % of it" in marked


def test_a_calibration_that_comes_later_is_used(box, viewer, qtbot):
    estimate(box, qtbot)
    save_calibration(CARD, KNOWN)
    box.reload()
    settle(box, qtbot)
    assert layer_of(viewer, "half-width").data.max() > 0
    assert "Do not trust" in box.form.marked_label.text()


def test_the_slider_hatches_the_slice_at_once_and_the_rest_soon(box, viewer, qtbot):
    viewer.dims.set_current_step(0, 3)
    estimate(box, qtbot)
    mask, maps = layer_of(viewer, "do not trust"), box.view.maps["FLAIR"]
    before = mask.data.copy()

    box.form.limit_slider.setValue(1)

    assert mask.data[3].sum() > before[3].sum()
    assert_array_equal(np.delete(mask.data, 3, 0), np.delete(before, 3, 0))
    settle(box, qtbot)
    wide = (maps.spread > 0.01 * maps.data_range) & maps.inside
    assert (mask.data.sum(axis=(1, 2)) > before.sum(axis=(1, 2))).all()
    assert not (mask.data.astype(bool) & ~wide).any()
    assert facts(mask)["limit"] == 0.01
    assert "more than 1\xa0%" in box.form.marked_label.text()


def test_a_layer_that_was_removed_does_not_come_back(box, viewer, qtbot):
    estimate(box, qtbot, "current")
    viewer.layers.remove(layer_of(viewer, "spread"))
    box.form.limit_slider.setValue(2)
    estimate(box, qtbot)
    assert not [layer for layer in viewer.layers if "spread" in layer.name]


def test_methods_that_cannot_be_used_are_grey_with_the_reason(
    box, chosen, monkeypatch, qtbot
):
    chosen.card = replace(CARD, id="dry", options={"dropout": 0.0})
    monkeypatch.setattr(uncertainty_box, "list_cards", lambda: [chosen.card])
    box.set_reason("")
    settle(box, qtbot)
    model = box.form.method_combo.model()
    dropout, ensemble = model.item(1), model.item(2)
    assert not dropout.isEnabled() and "has no dropout" in dropout.toolTip()
    assert not ensemble.isEnabled() and "another model" in ensemble.toolTip()
    box.form.method_combo.setCurrentIndex(1)  # as remembered of another model
    assert not box.form.run_box.run_button.isEnabled()
    assert "has no dropout" in box.form.method_label.text()


def test_dropout_is_offered_and_the_core_says_if_there_is_none(box, qtbot):
    box.form.method_combo.setCurrentIndex(1)
    assert box.form.method_combo.model().item(1).isEnabled()
    estimate(box, qtbot, "current")
    assert "Mixer has no dropout" in box.form.run_box.status_label.text()


def test_an_ensemble_asks_the_ticked_models(
    viewer, chosen, session, monkeypatch, qtbot
):
    asked = []

    def network(card, request):
        asked.append(card.id)
        return session.model(replace(request, card=card))[1]

    monkeypatch.setattr("napari_medsynth.widgets._uncertainty_jobs._network", network)
    monkeypatch.setattr(uncertainty_box, "list_cards", lambda: [CARD, OTHER])
    box = UncertaintyBox(viewer, chosen, session)
    qtbot.addWidget(box)
    box.show()
    box.set_reason("")
    settle(box, qtbot)
    form = box.form
    form.method_combo.setCurrentIndex(form.method_combo.findData("ensemble"))
    assert form.others_list.isVisible() and not form.n_box.isVisible()
    assert box.settings().others == (OTHER,) and box.settings().n == 2
    estimate(box, qtbot)
    assert asked == ["other"]
    assert layer_of(viewer, "spread").data.max() == 0  # both are the same model
    form.others_list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not form.run_box.run_button.isEnabled()
    assert "Tick another model" in form.method_label.text()
    box.close()


def test_a_failure_is_told(box, session, qtbot, caplog):
    def fail(*_):
        raise RuntimeError("out of luck")

    session.mixer.forward = fail
    box.form.run_box.run_button.click()
    settle(box, qtbot)
    assert "out of luck" in box.form.run_box.status_label.text()
    assert box.form.run_box.run_button.isEnabled()


def test_a_reason_of_the_dock_bars_the_run(box, chosen, qtbot):
    chosen.reason = "Open an image."
    box.set_reason(chosen.reason)
    settle(box, qtbot)
    assert not box.form.run_box.run_button.isEnabled()
    box.run()
    assert not box.is_busy


def test_choices_are_remembered(box, viewer, chosen, session, qtbot):
    box.form.mean_box.setChecked(True)
    box.form.limit_slider.setValue(9)
    kept = box.to_json()
    other = UncertaintyBox(viewer, chosen, session)
    qtbot.addWidget(other)
    other.set_from_json(kept)
    assert other.to_json() == kept
    other.set_from_json({"n": "x", "limits": {"spread": 999}, "method": 3})
    assert other.to_json() == kept
    other.close()


def test_the_slider_is_moved_by_keys(box, qtbot):
    estimate(box, qtbot, "current")
    value = box.form.limit_slider.value()
    QTest.keyClick(box.form.limit_slider, Qt.Key.Key_Right)
    assert box.form.limit_slider.value() == value + 1


def test_two_targets_have_their_own_layers(box, viewer, chosen, qtbot):
    chosen.targets = ("PD", "FLAIR")
    box.set_reason("")
    settle(box, qtbot)
    estimate(box, qtbot, "current")
    names = [layer.name.split()[0] for layer in viewer.layers if "spread" in layer.name]
    assert sorted(names) == ["FLAIR", "PD"]
    visible = [
        x.name.split()[0] for x in viewer.layers if "spread" in x.name and x.visible
    ]
    assert visible == ["PD"]
    assert box.form.marked_label.text().count("head on 1 slice") == 2
