"""Parts of docks: they show and ask."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import Qt

from napari_medsynth.widgets.parts import model_box, run_box
from napari_medsynth.widgets.parts.card_view import (
    CardView,
    card_html,
    measured_quality,
)
from napari_medsynth.widgets.parts.model_box import ModelBox
from napari_medsynth.widgets.parts.options_box import OptionsBox, RunOptions
from napari_medsynth.widgets.parts.run_box import RunBox
from napari_medsynth.widgets.parts.state_chip import State, StateChip


def test_chip_paints_every_state(qtbot):
    chip = StateChip()
    qtbot.addWidget(chip)
    pictures = []
    for state in State:
        chip.set_state(state, tuple(State))
        pictures.append(chip.grab().toImage())
        assert chip.accessibleName() == state
    assert pictures[0] != pictures[1] != pictures[2]


def test_card_text_of_others_is_escaped_and_addresses_are_links(unified):
    html = card_html(unified)

    assert "<b>at all</b>" not in html
    assert "&lt;b&gt;at all&lt;/b&gt;." in html
    assert "href='https://example.org/paper'>" in html
    assert "27.2" in html


def test_card_of_a_tuned_model_shows_its_base_beside_it(unified):
    row = {"available": "T1", "target": "T2", "psnr": 21.26, "base_psnr": 19.84}
    html = card_html(
        replace(unified, quality=({"data": "2 held-out subjects", **row},))
    )

    assert "<td>21.3</td>" in html
    assert "Base's PSNR" in html
    assert "<td>19.8</td>" in html


def test_card_without_measurements_says_so(qtbot, one_to_one):
    view = CardView()
    qtbot.addWidget(view)
    view.set_card(one_to_one)
    assert "not measured" in view.toPlainText()
    view.set_card(None)
    assert view.toPlainText() == "No model."


def test_measured_quality_understands_both_spellings(unified):
    row = {**unified.quality[0], "available": "T1+T2"}
    card = replace(unified, quality=(row,))

    assert "FLAIR" in measured_quality(card, ("T2", "T1"), ("FLAIR",))
    assert measured_quality(card, ("T2",), ("FLAIR",)) == ""
    assert measured_quality(card, ("T1", "T2"), ("PD",)) == ""


def test_model_box_filters_by_task(qtbot, unified, one_to_one):
    box = ModelBox()
    qtbot.addWidget(box)
    heard = []
    box.card_changed.connect(heard.append)
    assert box.card == unified

    box.task_combo.setCurrentText("denoising")
    box.task_combo.activated.emit(2)

    assert box.card == one_to_one
    assert heard == [one_to_one]
    assert box.model_combo.count() == 1


def test_refresh_finds_new_models_and_keeps_the_choice(qtbot, cards, one_to_one):
    box = ModelBox()
    qtbot.addWidget(box)
    box.choose("fake-ct")
    cards.insert(0, replace(one_to_one, id="fake-new", title="New"))

    box.refresh_button.click()

    assert box.model_combo.count() == 3
    assert box.card.id == "fake-ct"
    del cards[:]
    box.refresh()
    assert box.card is None


def test_a_broken_provider_is_named(qtbot, monkeypatch):
    sentences = ["Provider acme: it failed.", "Provider two: it failed."]
    monkeypatch.setattr(model_box, "problems", lambda: sentences)

    box = ModelBox()
    qtbot.addWidget(box)

    assert "Provider acme" in box.problem_label.text()
    assert "1 more" in box.problem_label.text()
    assert "Provider two" in box.problem_label.toolTip()


def test_options_go_round(qtbot):
    box = OptionsBox()
    qtbot.addWidget(box)
    box.set_n_slices(20)
    wanted = RunOptions("coronal", "selected", 3, 7, "cpu", "bf16", "chain")

    box.set_options(
        {**box.to_json(), **wanted.__dict__, "device": "cpu", "unknown": "x"}
    )

    assert box.options() == wanted


def test_options_ignore_what_they_do_not_know(qtbot):
    box = OptionsBox()
    qtbot.addWidget(box)
    box.set_options({"plane": "oblique", "device": None, "first": "a"})
    assert box.options() == RunOptions()


def test_another_number_of_slices_selects_all(qtbot):
    box = OptionsBox()
    qtbot.addWidget(box)
    box.set_n_slices(10)
    box.first_spin.setValue(4)
    box.set_n_slices(10)
    assert (box.options().first, box.options().last) == (4, 9)
    box.set_n_slices(30)
    assert (box.options().first, box.options().last) == (0, 29)


def test_planes_without_training_are_marked(qtbot, unified):
    box = OptionsBox()
    qtbot.addWidget(box)
    box.set_card(unified)
    texts = [box.plane_combo.itemText(i) for i in range(3)]
    assert texts == ["axial", "coronal (not trained on)", "sagittal (not trained on)"]


def test_progress_tells_speed_and_time_left(qtbot, monkeypatch):
    clock = iter([100.0, 102.0, 102.1, 104.0])
    monkeypatch.setattr(run_box, "perf_counter", lambda: next(clock))
    box = RunBox()
    qtbot.addWidget(box)
    box.start("Starting", 400)
    box.advance(0, 400)
    box.advance(10, 400)

    text = box.status_label.text()
    assert text == "10 of 400 slices · 5.0 slices/s · 1 min 18 s left"
    assert box.bar.value() == 10
    box.advance(11, 400)  # too soon after the last
    assert box.bar.value() == 10
    assert not box.run_button.isEnabled()
    assert box.cancel_button.isEnabled()

    box.advance(20, 400, "The batch was halved.")
    assert box.status_label.text().endswith("\nThe batch was halved.")
    box.end("Made it.")
    assert box.run_button.isEnabled()
    assert not box.cancel_button.isEnabled()


def test_a_reason_disables_run(qtbot):
    box = RunBox()
    qtbot.addWidget(box)
    box.set_reason("No source.")
    assert not box.run_button.isEnabled()
    assert box.reason_label.text() == "No source."
    box.set_reason("")
    assert box.run_button.isEnabled()


def test_progress_of_other_work_tells_the_time_left(qtbot, monkeypatch):
    clock = iter([100.0, 102.0, 106.0, 106.1, 110.0])
    monkeypatch.setattr(run_box, "perf_counter", lambda: next(clock))
    box = RunBox()
    qtbot.addWidget(box)
    box.start("Starting", 1)
    box.advance_share(0.0, "Reading")
    assert box.status_label.text() == "Reading"
    box.advance_share(0.2, "Subject 1")
    box.advance_share(0.4, "Subject 2")  # a fifth in 4 s
    assert box.status_label.text() == "Subject 2 · 12 s left"
    assert (box.bar.value(), box.bar.maximum()) == (40, 100)
    box.advance_share(0.5, "Subject 3")  # too soon after the last
    assert box.bar.value() == 40
    box.advance_share(1.0, "Subject 4")
    assert box.bar.value() == 100


@pytest.fixture
def blueprint(monkeypatch, cards, one_to_one):
    """A model without weights, after those that have some."""
    card = replace(one_to_one, id="fresh", title="Fresh")

    def listed(*, blueprints=False):
        return [*cards, card] if blueprints else list(cards)

    monkeypatch.setattr(model_box, "list_cards", listed)
    return card


def test_models_without_weights_are_left_out_greyed_or_offered(qtbot, blueprint):
    def made(untrained):
        box = ModelBox(untrained=untrained)
        qtbot.addWidget(box)
        return box, box.model_combo.findData("fresh")

    box, index = made("hidden")
    assert index < 0

    box, index = made("disabled")
    assert index == 3  # a line is between
    assert not box.model_combo.model().item(index).isEnabled()
    tip = box.model_combo.itemData(index, Qt.ItemDataRole.ToolTipRole)
    assert tip == (
        "Not trained yet: train it in the Fine-tune dock, with “medsynth train fresh”, "
        "or import official weights."
    )
    box.choose("fresh")
    assert box.card.id == "fake-unified"
    assert box.is_trained

    box, index = made("enabled")
    box.choose("fresh")
    assert box.card == blueprint
    assert not box.is_trained
    box.refresh()
    assert box.card == blueprint


def test_without_trained_models_nothing_is_chosen(qtbot, blueprint, cards):
    del cards[:]
    box = ModelBox(untrained="disabled")
    qtbot.addWidget(box)

    assert box.model_combo.count() == 1
    assert box.card is None


def test_a_dock_can_have_its_own_tasks(qtbot, one_to_one):
    box = ModelBox(tasks={"super-resolution": "Super-resolve", "denoising": "Denoise"})
    qtbot.addWidget(box)
    assert (box.task, box.card) == ("super-resolution", None)

    box.choose("fake-ct", task="denoising")

    assert box.task_combo.currentText() == "Denoise"
    assert box.card == one_to_one


def test_models_that_restore_come_after_the_others(qtbot, cards, unified, one_to_one):
    degradation = {"kind": "rician", "sigma": 0.05}
    cards.insert(0, replace(one_to_one, id="cleaner", degradation=degradation))
    box = ModelBox()
    qtbot.addWidget(box)

    assert box.card == unified
    assert box.model_combo.findData("cleaner") == 2
