"""What each scan contributes: live bars, maps, all slices, CSV."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_medsynth.engine.progress import exhausted
from napari_medsynth.widgets._request import make_request
from napari_medsynth.widgets._roles import Role, facts, shown_layers
from napari_medsynth.widgets._trust_jobs import contribute
from napari_medsynth.widgets.parts.contribution_box import ContributionBox
from napari_medsynth.widgets.parts.options_box import RunOptions
from widgets.trust_model import CARD, WEIGHTS, MixerSession


class Chooser:
    """Gives the box one request until another is chosen."""

    def __init__(self, layers):
        self.layers = layers
        self.plane = "axial"
        self.choose("T1", "T2", "PD")

    def choose(self, *sources):
        shown = {layer.name: layer for layer in self.layers if layer.name in sources}
        self.request = make_request(CARD, shown, ("FLAIR",), RunOptions(self.plane))

    def __call__(self):
        return self.request


@pytest.fixture
def session():
    made = MixerSession()
    yield made
    made.mixer.go.set()


@pytest.fixture
def chooser(viewer, add):
    return Chooser(add(viewer, "T1", "T2", "PD"))


@pytest.fixture
def box(viewer, chooser, session, qtbot):
    viewer.dims.set_current_step(0, 3)
    widget = ContributionBox(viewer, chooser, session)
    qtbot.addWidget(widget)
    widget.show()
    widget.set_reason("")
    yield widget
    widget.close()


def settle(box, qtbot):
    qtbot.wait(20)  # events of napari are gathered
    qtbot.waitUntil(lambda: not box.is_busy, timeout=10_000)


def known_shares(session, request, index):
    """The long way: the model is linear, so a scan's part is weight times scan + 1."""
    prepared, _ = session.model(request)
    inputs = prepared.inputs((index,))[:, : len(WEIGHTS)]
    images = prepared.outputs(inputs)[0]
    inside = images[:3].max(axis=0) > -0.9
    parts = {
        name: np.abs(weight * (images[i][inside] + 1)).mean()
        for i, (name, weight) in enumerate(WEIGHTS.items())
        if name != "FLAIR"
    }
    total = sum(parts.values())
    return {n: part / total for n, part in parts.items()}, {
        n: part / 2 for n, part in parts.items()
    }


def trust_layers(viewer):
    return [s.layer for s in shown_layers(viewer.layers) if s.role is Role.TRUST]


def test_bars_show_what_a_linear_model_takes_of_each_scan(box, chooser, session, qtbot):
    settle(box, qtbot)
    shares, left_out = known_shares(session, chooser.request, 3)
    rows = box.form.bars.rows
    assert list(rows) == [("FLAIR", "T1"), ("FLAIR", "T2"), ("FLAIR", "PD")]
    for (_, source), row in rows.items():
        assert row.bar.value == pytest.approx(shares[source], rel=1e-3)
        assert row.left_out.text() == f"{100 * left_out[source]:.1f}%"
    assert rows["FLAIR", "PD"].bar.value == pytest.approx(0, abs=1e-9)
    assert box.form.slice_label.text() == "Axial slice 3"
    assert session.mixer.n_runs == 8


def test_bars_follow_the_slider_and_are_not_computed_twice(box, viewer, session, qtbot):
    settle(box, qtbot)
    first = box.form.bars.rows["FLAIR", "T1"].bar.value
    viewer.dims.set_current_step(0, 2)
    settle(box, qtbot)
    assert box.form.slice_label.text() == "Axial slice 2"
    assert box.form.bars.rows["FLAIR", "T1"].bar.value != first
    n_runs = session.mixer.n_runs
    viewer.dims.set_current_step(0, 3)
    settle(box, qtbot)
    assert box.form.bars.rows["FLAIR", "T1"].bar.value == first
    assert session.mixer.n_runs == n_runs


def test_newest_slice_wins(box, viewer, session, qtbot):
    settle(box, qtbot)
    session.mixer.go.clear()
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: box._live.is_busy)
    for index in (2, 4):
        viewer.dims.set_current_step(0, index)
        qtbot.wait(200)
    assert not box.form.bars.isEnabled()
    session.mixer.go.set()
    settle(box, qtbot)
    assert box.form.slice_label.text() == "Axial slice 4"
    assert 2 not in box._tallies
    assert box.form.bars.isEnabled()


def test_nothing_runs_while_it_is_hidden_or_live_is_off(box, viewer, session, qtbot):
    settle(box, qtbot)
    n_runs = session.mixer.n_runs
    box.form.live_box.setChecked(False)
    viewer.dims.set_current_step(0, 2)
    settle(box, qtbot)
    box.form.live_box.setChecked(True)
    box.hide()
    settle(box, qtbot)
    assert session.mixer.n_runs == n_runs


def test_another_choice_forgets_the_numbers(box, chooser, session, qtbot):
    settle(box, qtbot)
    chooser.choose("T1", "T2")
    box.set_reason("")
    settle(box, qtbot)
    assert list(box.form.bars.rows) == [("FLAIR", "T1"), ("FLAIR", "T2")]
    assert session.mixer.n_runs == 8 + 4


def test_a_reason_disables_and_empties(box, qtbot):
    settle(box, qtbot)
    box.set_reason("Open an image.")
    assert not box.form.map_button.isEnabled()
    assert not box.form.run_box.run_button.isEnabled()
    assert not box.form.bars.isEnabled()


def test_error_of_the_model_is_one_sentence(box, viewer, session, qtbot):
    settle(box, qtbot)

    def fail(image):
        raise RuntimeError("shapes do not fit\nmore")

    session.mixer.forward = fail
    viewer.dims.set_current_step(0, 4)
    settle(box, qtbot)
    assert "shapes do not fit" in box.form.remark_label.text()
    assert "\n" not in box.form.remark_label.text()


def test_maps_are_weight_times_scan_and_follow(box, viewer, chooser, session, qtbot):
    settle(box, qtbot)
    QTest.mouseClick(box.form.map_button, Qt.MouseButton.LeftButton)
    settle(box, qtbot)
    layers = {facts(x)["source"]: x for x in trust_layers(viewer)}
    assert set(layers) == {"T1", "T2", "PD"}
    prepared, _ = session.model(chooser.request)
    scan = prepared.outputs(prepared.inputs((3,)))[0, 0]
    np.testing.assert_allclose(layers["T1"].data[0], 0.5 * (scan + 1), atol=1e-5)
    assert not layers["PD"].data.any()
    assert [n for n, x in layers.items() if x.visible] == ["T1"]
    assert layers["T1"].name == "T1 in FLAIR, change: Mixer (abcdef)"
    known = facts(layers["T1"])
    assert known["synthetic"] and known["provenance"]["model"] == "mixer"
    low, high = layers["T1"].contrast_limits
    assert low == -high
    assert layers["T1"].translate[0] == pytest.approx(
        chooser.layers[0].translate[0] + 3 * chooser.layers[0].scale[0]
    )

    viewer.dims.set_current_step(0, 2)
    settle(box, qtbot)
    scan = prepared.outputs(prepared.inputs((2,)))[0, 0]
    np.testing.assert_allclose(layers["T1"].data[0], 0.5 * (scan + 1), atol=1e-5)
    QTest.mouseClick(box.form.map_button, Qt.MouseButton.LeftButton)
    assert not trust_layers(viewer)


def test_a_map_hides_other_maps_and_leaves_images(box, viewer, qtbot):
    old = [
        viewer.add_image(
            np.zeros((3, 4, 5)), metadata={"medsynth": {"role": role}}, name=role
        )
        for role in ("difference", "attention", "trust")
    ]
    settle(box, qtbot)
    images = [layer for layer in viewer.layers if layer not in old and layer.visible]
    box.form.map_button.click()
    settle(box, qtbot)
    assert not any(layer.visible for layer in old)
    assert images and all(layer.visible for layer in images)


def test_another_kind_of_map_has_its_own_name(box, viewer, qtbot):
    settle(box, qtbot)
    box.form.map_button.click()
    settle(box, qtbot)
    assert all("change" in x.name for x in trust_layers(viewer))
    box.form.kind_combo.setCurrentIndex(box.form.kind_combo.findData("contribution"))
    settle(box, qtbot)
    after = [x.name for x in trust_layers(viewer)]
    assert len(after) == 3
    assert all("contribution" in name for name in after)


def test_maps_go_with_the_choice_that_they_belong_to(box, viewer, chooser, qtbot):
    settle(box, qtbot)
    box.form.map_button.click()
    settle(box, qtbot)
    chooser.choose("T1", "T2")
    box.set_reason("")
    settle(box, qtbot)
    assert [facts(x)["source"] for x in trust_layers(viewer)] == ["T2", "T1"]


def test_a_map_that_was_removed_does_not_come_back(box, viewer, qtbot):
    settle(box, qtbot)
    box.form.map_button.click()
    settle(box, qtbot)
    viewer.layers.remove(trust_layers(viewer)[0])
    viewer.dims.set_current_step(0, 2)
    settle(box, qtbot)
    assert len(trust_layers(viewer)) == 2


def test_all_slices_leave_layers_and_numbers(box, viewer, session, qtbot, tmp_path):
    settle(box, qtbot)
    box.form.kind_combo.setCurrentIndex(box.form.kind_combo.findData("contribution"))
    box.form.run_box.run_button.click()
    settle(box, qtbot)
    layers = trust_layers(viewer)
    assert [x.name for x in layers] == [
        f"{s} in FLAIR, contribution: Mixer (abcdef), all slices"
        for s in ("T1", "T2", "PD")
    ]
    assert layers[0].data.shape == (6, 40, 36)
    assert box.form.overall_label.text().startswith("All 6 slices, FLAIR: T1 ")
    n_runs = session.mixer.n_runs
    viewer.dims.set_current_step(0, 5)
    settle(box, qtbot)
    assert session.mixer.n_runs == n_runs

    box.save_csv(tmp_path / "a.csv")
    settle(box, qtbot)
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["slice"] for r in rows] == [str(i) for i in range(6) for _ in "abc"] + [
        "all"
    ] * 3
    of_all = [float(r["share"]) for r in rows if r["slice"] == "all"]
    assert sum(of_all) == pytest.approx(1)
    means = [
        sum(
            float(r["left_out"]) * int(r["voxels"])
            for r in rows
            if r["scan"] == "T1" and r["slice"] != "all"
        )
    ]
    last = next(r for r in rows if r["slice"] == "all" and r["scan"] == "T1")
    assert means[0] / int(last["voxels"]) == pytest.approx(float(last["left_out"]))
    assert last["weights_sha256"] == CARD.sha256


def test_cancel_ends_all_slices_at_once(box, viewer, session, qtbot):
    settle(box, qtbot)
    session.mixer.go.clear()
    box.form.run_box.run_button.click()
    qtbot.waitUntil(lambda: box.form.run_box.is_running)
    box.form.run_box.cancel_button.click()
    assert not box.form.run_box.is_running
    assert box.form.run_box.status_label.text() == "Cancelled."
    session.mixer.go.set()
    settle(box, qtbot)
    assert not trust_layers(viewer)


def test_choices_are_remembered(box):
    box.set_from_json({"is_live": False, "kind": "contribution"})
    assert box.to_json() == {"is_live": False, "kind": "contribution"}
    box.set_from_json({"is_live": "no", "kind": 3})
    assert box.to_json() == {"is_live": False, "kind": "contribution"}


def test_box_that_is_deleted_hears_nothing(viewer, chooser, session, qtbot):
    widget = ContributionBox(viewer, chooser, session)
    widget.show()
    widget.set_reason("")
    widget.deleteLater()
    del widget
    qtbot.wait(50)
    viewer.dims.set_current_step(0, 1)
    qtbot.wait(250)
    assert session.mixer.n_runs == 0


def test_csv_is_asked_for_and_gets_its_suffix(box, qtbot, monkeypatch, tmp_path):
    settle(box, qtbot)
    asked = iter(["", str(tmp_path / "b")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (next(asked), ""))
    box.form.csv_button.click()
    box.form.csv_button.click()
    settle(box, qtbot)
    assert [p.name for p in tmp_path.glob("*.csv")] == ["b.csv"]
    assert box.form.run_box.status_label.text() == "Saved b.csv."


def test_a_model_that_needs_all_its_scans_says_what_that_means(box, chooser, qtbot):
    settle(box, qtbot)
    card = replace(CARD, id="fixed", inputs=("T1", "T2", "PD"), is_unified=False)
    card = replace(card, outputs=("FLAIR",), title="Fixed")
    chooser.request = replace(chooser.request, card=card)
    box.set_reason("")
    settle(box, qtbot)
    assert "Fixed was never trained with a source missing" in (
        box.form.remark_label.text()
    )


def test_a_slice_that_comes_too_late_is_kept_and_not_shown(
    box, viewer, chooser, session, qtbot
):
    settle(box, qtbot)
    shown = box.form.bars.rows["FLAIR", "T1"].bar.value
    late = exhausted(contribute(session, chooser.request, 1))
    box._live.done.emit(late)
    assert box.form.slice_label.text() == "Axial slice 3"
    assert box.form.bars.rows["FLAIR", "T1"].bar.value == shown
    n_runs = session.mixer.n_runs
    viewer.dims.set_current_step(0, 1)
    settle(box, qtbot)
    assert box.form.slice_label.text() == "Axial slice 1"
    assert session.mixer.n_runs == n_runs
