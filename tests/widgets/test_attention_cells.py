"""Cells of the Attention dock, one turn of the event loop after the other."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.widgets._attention_ask import Ask, ask_at
from napari_medsynth.widgets._attention_cells import AttentionCells
from napari_medsynth.widgets._attention_jobs import Picture
from napari_medsynth.widgets._attention_plan import Plan
from napari_medsynth.widgets._hanging import hang
from napari_medsynth.widgets._layers import like
from napari_medsynth.widgets._roles import shown_layers
from napari_medsynth.widgets._stage import Stage


@pytest.fixture
def cells(viewer, add, qtbot):
    """No cell yet, over T1 and T2 in a viewer whose turns the test makes."""
    add(viewer, "T1", "T2")
    made = AttentionCells(viewer)
    yield made
    made.abandon()


def plan_of(viewer, *models, is_side_by_side=True, asks=None):
    layer = viewer.layers["T1"]
    asks = asks or (Ask(np.zeros(3)),)
    return Plan(models, asks, layer, like(layer), is_side_by_side)


def picture(viewer, study, model, number=0):
    volume = study["T1"].with_data(np.full((1, 1, 4, 4), 0.5, np.float32))
    return Picture(model, number, f"map of {model}", volume, like(viewer.layers["T1"]))


def turn(cells):
    cells._turns._on_timeout()


def finish(cells):
    while cells._turns.is_busy:
        turn(cells)


def shown(viewer):
    return [x.name for x in viewer.layers if x.visible]


def test_the_first_map_is_seen_after_one_turn(cells, viewer, study):
    cells.show(plan_of(viewer, "A", "B"))
    turn(cells)
    cells.draw(picture(viewer, study, "A"))
    assert shown(viewer) == ["T1", "T2", "map of A"]
    assert not viewer.canvas.grid.enabled
    turn(cells)
    assert shown(viewer)[-1] == "A: queries"
    finish(cells)
    assert viewer.canvas.grid.enabled
    ours = ["A over T1", "map of A", "A: queries", "B over T1", "B: queries"]
    assert shown(viewer) == ours


def test_a_map_that_comes_between_turns_is_seen_at_the_end(cells, viewer, study):
    cells.show(plan_of(viewer, "A", "B"))
    while cells._turns.is_busy:
        turn(cells)
        if len(cells._turns._steps) == 1:
            cells.draw(picture(viewer, study, "B"))
    assert "map of B" in shown(viewer)


def test_no_turn_adds_two_layers(cells, viewer):
    cells.show(plan_of(viewer, "A", "B"))
    before = len(viewer.layers)
    while cells._turns.is_busy:
        turn(cells)
        assert len(viewer.layers) <= before + 1
        before = len(viewer.layers)
    assert before == 2 + 2 * 3


def test_the_map_does_not_get_a_cell_of_the_users_grid(cells, viewer, study):
    viewer.canvas.grid.enabled = True
    cells.show(plan_of(viewer, "A"))
    turn(cells)
    cells.draw(picture(viewer, study, "A"))
    assert shown(viewer) == ["T1", "T2"]
    finish(cells)
    assert shown(viewer) == ["A over T1", "map of A", "A: queries"]
    cells.close()
    finish(cells)
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.stride == 1


def test_all_layers_go_in_one_batch(cells, viewer):
    cells.show(plan_of(viewer, "A", "B"))
    finish(cells)
    batches = []
    viewer.layers.events.end_batch.connect(lambda event: batches.append(event))
    cells.close()
    finish(cells)
    assert shown(viewer) == ["T1", "T2"]
    assert len(viewer.layers) == 2
    assert len(batches) == 1
    assert cells.is_settled


@pytest.mark.parametrize("n_turns", range(0, 20, 3))
def test_off_and_on_again_at_any_moment(cells, viewer, n_turns):
    viewer.layers["T2"].visible = False
    cells.show(plan_of(viewer, "A", "B"))
    for _ in range(n_turns):
        turn(cells)
    cells.close()
    for _ in range(n_turns % 2):
        turn(cells)
    cells.show(plan_of(viewer, "A", "B"))
    finish(cells)
    assert viewer.canvas.grid.enabled
    assert len(viewer.layers) == 2 + 2 * 3
    cells.close()
    finish(cells)
    assert [(x.name, x.visible) for x in viewer.layers] == [("T1", True), ("T2", False)]
    assert not viewer.canvas.grid.enabled


def test_cells_go_when_another_plan_has_none(cells, viewer):
    cells.show(plan_of(viewer, "A", asks=(ask_at((0, 1, 2)),)))
    turn(cells)
    cells.show(plan_of(viewer, "A", is_side_by_side=False))
    finish(cells)
    assert not viewer.canvas.grid.enabled
    assert shown(viewer) == ["T1", "T2", "A: queries"]


@pytest.mark.parametrize("is_stage_first", [True, False])
def test_a_comparison_and_attention_take_turns(
    cells, viewer, qtbot, monkeypatch, is_stage_first
):
    viewer.layers["T2"].visible = False
    stage, lost = Stage(viewer), []
    cells.lost.connect(lambda: lost.append(viewer.layers["T1"].visible))

    def compare():
        stage.side_by_side(hang(shown_layers(viewer.layers)), None)
        qtbot.waitUntil(lambda: not stage.is_busy)

    def attend():
        cells.show(plan_of(viewer, "A"))
        finish(cells)

    for step in (compare, attend) if is_stage_first else (attend, compare):
        step()
    finish(cells)
    assert viewer.canvas.grid.stride == (3 if is_stage_first else 1)
    assert stage.is_arranged is not is_stage_first
    assert lost == ([] if is_stage_first else [True])
    if is_stage_first:
        cells.close()
        finish(cells)
    else:
        stage.restore_at_once()
    assert [(x.name, x.visible) for x in viewer.layers] == [("T1", True), ("T2", False)]
    assert not viewer.canvas.grid.enabled


def test_a_2d_anatomy_fits_its_cell(viewer, qtbot):
    layer = viewer.add_image(np.zeros((20, 20)), name="T1")
    cells = AttentionCells(viewer)
    cells.show(Plan(("A",), (Ask(np.zeros(3)),), layer, like(layer), True))
    finish(cells)
    assert viewer.canvas.grid.enabled
    cells.close()
    finish(cells)
    assert shown(viewer) == ["T1"]
