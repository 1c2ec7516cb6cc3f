"""What to learn: base model, targets, preset, name, settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_medsynth.training import TrainConfig
from napari_medsynth.training.presets import PRESETS, apply_preset
from napari_medsynth.widgets.parts.learn_box import (
    CUSTOM,
    USUAL_PRESET,
    LearnBox,
    can_learn,
)


@pytest.fixture
def second(unified):
    return replace(unified, id="fake-second", title="Second", sha256="cd" * 32)


@pytest.fixture
def box(qtbot, cards, second):
    cards.append(second)
    widget = LearnBox()
    qtbot.addWidget(widget)
    return widget


def choose_preset(box, name):
    box.preset_combo.setCurrentText(name)
    box.preset_combo.textActivated.emit(name)


def test_only_slice_models_with_weights_are_offered(box, unified, one_to_one, second):
    combo = box.model_box.model_combo
    offered = [combo.itemData(i) for i in range(combo.count())]

    assert offered == [unified.id, second.id]  # the CT card has no weights
    assert not can_learn(one_to_one)
    assert not can_learn(replace(unified, spatial_dims=3))


def test_without_a_model_it_says_what_to_do(qtbot, cards):
    cards.clear()
    box = LearnBox()
    qtbot.addWidget(box)
    assert (box.base(), box.targets()) == ("", ())
    assert "import one" in box.reason()


def test_targets_are_those_of_the_card_and_need_scans(box, unified):
    assert box.targets() == unified.outputs

    box.set_contrasts(("T1", "FLAIR"))
    assert box.targets() == ("T1", "FLAIR")
    assert not box.target_boxes.boxes["T2"].isEnabled()
    assert "No subject" in box.target_boxes.boxes["T2"].toolTip()

    box.target_boxes.boxes["T1"].click()
    assert box.targets() == ("FLAIR",)
    box.set_contrasts(())  # not known any more: the choice by hand stays
    assert box.targets() == ("T2", "PD", "FLAIR")


def test_no_target_is_a_reason(box):
    box.set_contrasts(("T1",))
    assert box.reason() == ""
    box.target_boxes.boxes["T1"].click()
    assert "target" in box.reason()


def test_it_starts_with_the_usual_preset(box):
    assert box.preset_combo.currentText() == USUAL_PRESET
    assert box.config() == apply_preset(TrainConfig(), USUAL_PRESET)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_in_all_settings_but_where_it_runs(box, name):
    box.form.fields["device"].value = "cpu"
    box.form.fields["learning_rate"].value = 0.5

    choose_preset(box, name)

    assert box.config() == replace(apply_preset(TrainConfig(), name), device="cpu")
    assert box.preset_combo.currentText() == name


def test_a_changed_setting_makes_it_custom_and_reset_takes_it_back(box):
    box.form.fields["epochs"].value = 77
    assert box.preset_combo.currentText() == CUSTOM
    choose_preset(box, CUSTOM)
    assert box.config().epochs == 77

    box.form.reset_button.click()
    assert box.preset_combo.currentText() == USUAL_PRESET
    box.form.fields["device"].value = "cpu"
    assert box.preset_combo.currentText() == USUAL_PRESET


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2, "10 s"), (44, "40 s"), (720, "12 min"), (12_100, "3 h 20 min")],
)
def test_the_estimate_is_told_without_false_precision(box, seconds, words):
    box.show_estimate(seconds)
    assert f"about {words}," in box.estimate_label.text()


def test_an_estimate_of_other_settings_is_not_shown(box):
    unmeasured = box.estimate_label.text()
    box.show_estimate(600)
    box.form.fields["epochs"].value = 99
    assert box.estimate_label.text() == unmeasured


def test_the_new_model_has_a_name_also_unasked(box):
    assert box.name() == "Fake unified, tuned"
    box.name_edit.setText("  Our scanner ")
    assert box.name() == "Our scanner"


def test_another_model_changes_targets_and_name_and_is_told(box, cards, second, qtbot):
    cards.append(replace(second, id="x", title="X", outputs=("T2",), is_unified=False))
    box.model_box.refresh()
    heard = []
    box.card_changed.connect(heard.append)

    box.model_box.choose("x")

    assert [card.id for card in heard] == ["x"]
    assert (box.base(), box.targets(), box.name()) == ("x", ("T2",), "X, tuned")


def test_a_model_that_was_kept_meanwhile_is_offered_when_shown(box, cards, second):
    cards.append(replace(second, id="kept"))
    box.show()
    assert box.model_box.model_combo.findData("kept") >= 0


def test_choices_go_round(box, qtbot):
    box.model_box.choose("fake-second")
    box.target_boxes.boxes["PD"].click()
    choose_preset(box, "thorough")
    box.form.fields["epochs"].value = 33
    box.form.advanced.expand(animate=False)
    kept = box.to_json()

    other = LearnBox()
    qtbot.addWidget(other)
    other.set_from_json(kept)

    assert other.to_json() == kept
    assert other.config() == box.config()
    assert other.preset_combo.currentText() == CUSTOM
    other.form.reset_button.click()
    assert other.preset_combo.currentText() == "thorough"


def test_an_untouched_preset_is_remembered_by_its_name(box, qtbot):
    choose_preset(box, "quick look")
    other = LearnBox()
    qtbot.addWidget(other)
    other.set_from_json(box.to_json())
    assert other.preset_combo.currentText() == "quick look"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model": "gone", "left_out": "T1", "preset": "best", "config": []},
        {"model": 3, "left_out": [1], "preset": None, "config": {"epochs": -1}},
    ],
)
def test_damaged_memories_change_nothing(box, values):
    before = box.to_json()
    box.set_from_json(values)
    assert box.to_json() == before
