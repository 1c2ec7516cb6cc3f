"""Heads, paths and honesty in the Attention dock, over models that are known."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from explain.tiny_resvit import CARD, resvit
from napari_medsynth.engine import slice_network
from napari_medsynth.explain import Honesty, honesty, path_strengths
from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets import _attention_form, _dock, attention
from napari_medsynth.widgets._attention_ask import ask_at
from napari_medsynth.widgets._path_words import shares_of
from widgets.attention_models import Looker, looker_card

LEFT = Qt.MouseButton.LeftButton
SHIFTS = {"base": 1, "tuned": 7}
PLACE = (2, 11, 7)
SLICE = PLACE[0]
GREY = "clear gray"


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """Two models whose attention is known, and a tiny ResViT."""
    real, ran = slice_network.SliceNetwork, []

    def network(card, **options):
        if "model" in options:
            return real(card, **options)
        ran.append(card.id)
        shift = SHIFTS.get(card.id)
        return real(card, model=Looker(shift) if shift else resvit(), **options)

    cards = [looker_card("base"), looker_card("tuned"), CARD]
    monkeypatch.setattr(slice_network, "SliceNetwork", network)
    monkeypatch.setattr(_attention_form, "list_cards", lambda: cards)
    return ran


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    class Fake:
        device, precision = "cpu", "fp32"

        def apply_home(self):
            return False

    for module in (_dock, _attention_form):
        monkeypatch.setattr(module, "Preferences", Fake)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)
    monkeypatch.setattr(attention, "SETTLE", 1)
    monkeypatch.setattr(attention, "_AFTER_SHOWING", 1)


@pytest.fixture
def dock(viewer, add, qtbot):
    """Two Lookers ticked; the first layer's mean of heads, asked at a place."""
    add(viewer, "T1", "T2")
    viewer.dims.set_current_step(0, SLICE)
    dock = attention.AttentionWidget(viewer)
    qtbot.addWidget(dock)
    dock.resize(380, 700)
    dock.show()
    wait(qtbot, dock)
    dock.model_list.choose(("base", "tuned"))
    dock.set_map_source(MapSource("layer"))
    layer = viewer.layers["T1"]
    dock.ask(ask_at(np.add(layer.translate, np.multiply(PLACE, layer.scale))))
    wait(qtbot, dock)
    return dock


@pytest.fixture
def tiny(dock, qtbot):
    """The ResViT alone, its section of paths unfolded."""
    dock.model_list.choose((CARD.id,))
    wait(qtbot, dock)
    unfold(qtbot, dock, "Paths")
    return dock


def wait(qtbot, dock):
    qtbot.wait(20)
    qtbot.waitUntil(
        lambda: not dock.is_busy and not dock.charts.is_busy, timeout=20_000
    )
    qtbot.wait(20)


def unfold(qtbot, dock, title):
    QTest.mouseClick(dock.sections[title].toggleButton(), LEFT)
    wait(qtbot, dock)


def maps(dock):
    layers = dock._view.cells.layers.items()
    return {cell: layer for (cell, slot), layer in layers if slot == 0}


def test_they_are_folded_and_compute_nothing(dock):
    for title in ("Heads", "Paths", "Honesty"):
        assert not dock.sections[title].isExpanded()
    assert not dock.charts.head_chart.grid.isVisibleTo(dock.charts.head_chart)
    assert not dock.charts.path_chart.bars.block


def looked_away(shift, viewer):
    """How far the tokens of a 5 x 5 grid look, in mm, on average; the long way."""
    high, wide = 8 * viewer.layers["T1"].scale[1:]
    far = []
    for token in range(25):
        (r, c), (row, column) = divmod(token, 5), divmod((token + shift) % 25, 5)
        far.append(np.hypot(high * (row - r), wide * (column - c)))
    return np.mean(far)


def test_heads_are_measured_once_they_are_unfolded(dock, viewer, qtbot):
    unfold(qtbot, dock, "Heads")
    chart = dock.charts.head_chart
    assert chart.grid.isVisible()
    head = chart.grid.head_at_cursor()
    assert (head.block, head.layer, head.head) == ("art_1", 0, 0)
    assert head.entropy == 0  # every token looks at one other
    assert head.distance == pytest.approx(looked_away(1, viewer))
    chart.model_combo.setCurrentText("Tuned")
    wait(qtbot, dock)
    assert chart.grid.head_at_cursor().distance == pytest.approx(looked_away(7, viewer))


def test_a_click_on_a_head_shows_its_map_and_marks_it(dock, qtbot):
    unfold(qtbot, dock, "Heads")
    grid = dock.charts.head_chart.grid
    QTest.mouseClick(grid, LEFT, pos=grid.rect_of(1, 1).center().toPoint())
    wait(qtbot, dock)
    assert dock.map_source() == MapSource("head", "art_1", 1, 1)
    assert maps(dock)["Base"].name.startswith("head art_1 layer 2 head 2")
    assert (grid.marked.layer, grid.marked.head) == (1, 1)
    dock.set_map_source(MapSource("rollout"))
    wait(qtbot, dock)
    assert grid.marked is None


def test_heads_follow_the_slice(dock, viewer, qtbot):
    unfold(qtbot, dock, "Heads")
    heads, asked = dock.charts.heads, []
    heads._latest.done.connect(lambda found: asked.append(found[0].index))
    viewer.dims.set_current_step(0, 4)
    wait(qtbot, dock)
    assert asked == [4]
    dock._draw()  # the same slice, another query
    wait(qtbot, dock)
    assert asked == [4]
    dock.sections["Heads"].collapse(animate=False)
    viewer.dims.set_current_step(0, 3)
    wait(qtbot, dock)
    assert asked == [4]


def test_a_model_without_paths_says_so(dock, qtbot):
    unfold(qtbot, dock, "Paths")
    assert "choose a ResViT" in dock.charts.path_chart.value_label.text()


def expected_paths(dock, index):
    (request,) = dock._requests.values()
    return path_strengths(*dock._view.session.model(request), index)


def test_paths_of_the_slice_are_those_of_the_core(tiny, viewer, qtbot):
    chart = tiny.charts.path_chart
    assert tuple(chart.bars._strengths) == expected_paths(tiny, SLICE)
    viewer.dims.set_current_step(0, 3)
    wait(qtbot, tiny)
    assert tuple(chart.bars._strengths) == expected_paths(tiny, 3)


def test_paths_along_all_slices_lead_to_a_slice(tiny, viewer, qtbot):
    chart = tiny.charts.path_chart
    QTest.mouseClick(chart.run_box.run_button, LEFT)
    wait(qtbot, tiny)
    assert chart.slices.isVisible()
    where = chart.slices.column_of(4).center().toPoint()
    QTest.mouseClick(chart.slices, LEFT, pos=where)
    assert viewer.dims.current_step[0] == 4
    wait(qtbot, tiny)
    assert tuple(chart.bars._strengths) == expected_paths(tiny, 4)
    viewer.dims.set_current_step(0, 1)
    assert chart.slices.index == 1  # at once


def test_paths_can_be_cancelled(tiny, qtbot):
    chart = tiny.charts.path_chart
    QTest.mouseClick(chart.run_box.run_button, LEFT)
    QTest.mouseClick(chart.run_box.cancel_button, LEFT)
    wait(qtbot, tiny)
    assert chart.run_box.status_label.text() == "Cancelled."
    assert not chart.slices.isVisible()


def test_the_table_of_this_slice_and_of_all(tiny, tmp_path, qtbot):
    path = tmp_path / "paths.csv"
    tiny.charts.paths.save(path)
    wait(qtbot, tiny)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["slice"] for row in rows} == {str(SLICE)}
    assert rows[0]["sources"] == "T1 T2"
    for row, strength in zip(rows, expected_paths(tiny, SLICE), strict=True):
        for name, share in shares_of(strength).items():
            assert float(row[name]) == pytest.approx(share, abs=1e-6)
    tiny.charts.paths.run()
    wait(qtbot, tiny)
    tiny.charts.paths.save(path)
    wait(qtbot, tiny)
    with path.open(newline="") as file:
        indices = {int(row["slice"]) for row in csv.DictReader(file)}
    assert indices > {SLICE}
    assert "Saved paths.csv" in tiny.charts.path_chart.run_box.status_label.text()


def test_other_images_have_other_paths(tiny, viewer, qtbot):
    tiny.charts.paths.run()
    wait(qtbot, tiny)
    before = tiny.charts.path_chart.bars._strengths
    viewer.layers["T1"].data = viewer.layers["T1"].data[:, ::-1].copy()
    wait(qtbot, tiny)
    assert tiny.charts.path_chart.bars._strengths != before
    assert not tiny.charts.path_chart.slices.isVisible()  # they were of the old ones
    assert not tiny.charts.paths._all


def test_a_map_that_weights_do_not_change_is_greyed(dock, qtbot):
    # the attention of a Looker is no weight: shuffled, it is the same
    unfold(qtbot, dock, "Honesty")
    QTest.mouseClick(dock.charts.honesty_box.run_box.run_button, LEFT)
    wait(qtbot, dock)
    verdicts = dock.charts.honesty_box.verdicts
    assert [v.title for v in verdicts] == ["Base", "Tuned"]
    for verdict in verdicts:
        assert verdict.honesty.similarity_to_random == pytest.approx(1)
        assert verdict.is_passed is False
        layer = maps(dock)[verdict.title]
        assert layer.colormap.name == GREY
        assert layer.name.startswith("not honest: layer")
    assert "Base: not honest, like random weights" in dock.status_label.text()


@pytest.fixture
def judged(dock, qtbot, monkeypatch):
    """Tested: the map of Tuned is not honest, that of Base is."""
    asked = []

    def check_map(prepared, network, index, make_map, **options):
        asked.append((prepared.card.id, index, options))
        yield "Looking"
        passed = prepared.card.id == "base"
        reason = "" if passed else "The most marked regions matter least."
        curve = (0.1, 0.2, 0.3, 0.4)
        return Honesty(0.2, 1.0, curve, curve, curve, passed, reason)

    monkeypatch.setattr(honesty, "check_map", check_map)
    unfold(qtbot, dock, "Honesty")
    QTest.mouseClick(dock.charts.honesty_box.run_box.run_button, LEFT)
    wait(qtbot, dock)
    assert [(card, index) for card, index, _ in asked] == [
        ("base", SLICE),
        ("tuned", SLICE),
    ]
    # the place that was asked about; 2 columns of padding are the network's
    assert np.argwhere(asked[0][2]["query"].pixels).tolist() == [list(PLACE[1:])]
    return dock


def test_each_model_has_its_verdict(judged):
    assert [v.is_passed for v in judged.charts.honesty_box.verdicts] == [True, False]
    assert maps(judged)["Base"].colormap.name != GREY
    assert maps(judged)["Tuned"].colormap.name == GREY
    assert maps(judged)["Tuned"].name.startswith("not honest: layer")
    assert "matter least" in judged.charts.honesty_box.reason_label.text()


def test_another_slice_forgets_the_verdict(judged, viewer, qtbot):
    viewer.dims.set_current_step(0, 4)
    wait(qtbot, judged)
    assert_forgotten(judged)


def test_another_query_forgets_the_verdict(judged, viewer, qtbot):
    layer = viewer.layers["T1"]
    judged.ask(ask_at(np.add(layer.translate, np.multiply((2, 30, 20), layer.scale))))
    wait(qtbot, judged)
    assert_forgotten(judged)


def test_another_source_forgets_the_verdict(judged, qtbot):
    judged.set_map_source(MapSource("mean"))
    wait(qtbot, judged)
    assert_forgotten(judged)


def assert_forgotten(dock):
    assert not dock.charts.honesty_box.verdicts
    assert not dock.model_list.reasons()
    assert maps(dock)["Tuned"].colormap.name != GREY
    assert "not honest" not in maps(dock)["Tuned"].name
    assert not dock.status_label.text()
    text = dock.charts.honesty_box.run_box.status_label.text()
    assert "has not been tested" in text


def test_drawing_the_same_map_again_keeps_the_verdict(judged, qtbot):
    judged.side_box.setChecked(False)
    wait(qtbot, judged)
    assert maps(judged)["Tuned"].colormap.name == GREY
    assert len(judged.charts.honesty_box.verdicts) == 2


def test_a_dock_that_is_shown_again_keeps_the_verdict(judged, qtbot):
    judged.hide()
    judged.show()
    wait(qtbot, judged)
    assert list(judged.model_list.reasons()) == ["Tuned"]
    assert "Tuned: not honest" in judged.status_label.text()
    assert maps(judged)["Tuned"].colormap.name == GREY


def test_unticking_a_model_keeps_the_verdict_on_the_other(judged, qtbot):
    judged.model_list.choose(("tuned",))
    wait(qtbot, judged)
    assert [v.title for v in judged.charts.honesty_box.verdicts] == ["Tuned"]
    assert maps(judged)["Tuned"].colormap.name == GREY


def test_moving_on_stops_the_test(dock, viewer, qtbot):
    dock.charts.honesty.run()
    assert dock.charts.honesty.is_busy
    viewer.dims.set_current_step(0, 4)
    wait(qtbot, dock)
    assert not dock.charts.honesty_box.verdicts
    assert "another map" in dock.charts.honesty_box.run_box.status_label.text()


def test_the_test_can_be_cancelled(dock, qtbot):
    unfold(qtbot, dock, "Honesty")
    box = dock.charts.honesty_box.run_box
    QTest.mouseClick(box.run_button, LEFT)
    QTest.mouseClick(box.cancel_button, LEFT)
    wait(qtbot, dock)
    assert box.status_label.text() == "Cancelled."
    assert not dock.charts.honesty_box.verdicts


def test_what_cannot_be_tested_is_not_greyed(dock, qtbot):
    dock.query_list.whole_clicked.emit()
    dock.set_map_source(MapSource("occlusion"))
    wait(qtbot, dock)
    dock.charts.honesty.run()
    wait(qtbot, dock)
    (first, _) = dock.charts.honesty_box.verdicts
    assert first.is_passed is None
    assert "give a query" in first.reason
    assert not dock.model_list.reasons()


def test_unfolded_sections_are_remembered(dock, viewer, qtbot):
    unfold(qtbot, dock, "Heads")
    other = attention.AttentionWidget(viewer)
    qtbot.addWidget(other)
    other.show()
    wait(qtbot, other)
    assert other.sections["Heads"].isExpanded()
    assert not other.sections["Paths"].isExpanded()
