"""The settings form is made of `TrainConfig`, and of nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from typing import Annotated

import pytest
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsynth.training import TrainConfig
from napari_medsynth.widgets.parts import config_form
from napari_medsynth.widgets.parts.config_fields import accepted, make_fields
from napari_medsynth.widgets.parts.config_form import ConfigForm


@pytest.fixture
def form(qtbot):
    widget = ConfigForm()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def open_form(form):
    form.advanced.expand(animate=False)
    return form


def test_only_the_important_settings_are_made_before_advanced_is_opened(form):
    assert tuple(form.fields) == config_form.IMPORTANT
    form.advanced.expand(animate=False)
    assert set(form.fields) == {field.name for field in fields(TrainConfig)}
    form.advanced.collapse(animate=False)
    form.advanced.expand(animate=False)
    assert len(form.fields) == len(fields(TrainConfig))


def test_every_setting_has_a_label_and_a_tooltip_that_explains_it(open_form):
    for name, widget in open_form.fields.items():
        assert widget.label not in ("", name), name
        assert len(widget.tooltip) > 10, name
        assert widget.native.toolTip() == widget.tooltip
        assert widget.native.accessibleName() == widget.label


def test_every_field_shows_the_default(open_form):
    default = TrainConfig()
    for name, widget in open_form.fields.items():
        assert widget.value == pytest.approx(getattr(default, name)), name


def test_names_that_are_treated_specially_exist():
    names = {field.name for field in fields(TrainConfig)}
    special = {*config_form.IMPORTANT, *config_form._NEEDS}
    assert special <= names
    needs = [need for all_ in config_form._NEEDS.values() for need in all_]
    assert {other for other, _ in needs} <= names


def test_ranges_follow_the_metadata(qtbot):
    @dataclass
    class Settings:
        n: Annotated[int, Field(ge=2, lt=9, title="N")] = 3
        share: Annotated[Annotated[float, Field(ge=0, le=1)], Field(title="S")] = 0.5
        rate: Annotated[float, Field(gt=0)] = 1e-5
        free: int = -5

    owner = QWidget()
    qtbot.addWidget(owner)
    made = make_fields(Settings(), ("n", "share", "rate", "free"), parent=owner)

    assert (made["n"].min, made["n"].max) == (2, 8)
    assert (made["share"].min, made["share"].max) == (0, 1)
    assert made["share"].label == "S"
    assert 0 < made["rate"].min <= 1e-6
    assert made["rate"].value == 1e-5
    assert made["free"].min < -1000


def test_an_edit_changes_one_setting_and_says_so_once(form, qtbot):
    heard = []
    form.changed.connect(lambda: heard.append(form.config()))

    form.fields["epochs"].value = 3

    assert [config.epochs for config in heard] == [3]
    assert form.to_json() == {"epochs": 3}
    form.fields["learning_rate"].value = 3e-5
    assert form.config().learning_rate == pytest.approx(3e-5)


def test_values_finer_than_a_widget_shows_stay_exact(open_form):
    exact = TrainConfig(learning_rate=1.234567e-6, beta2=0.99951234)
    open_form.set_config(exact)
    assert open_form.fields["learning_rate"].value == pytest.approx(1.23e-6, rel=0.01)
    open_form.fields["epochs"].value = 7

    assert open_form.config().learning_rate == 1.234567e-6
    assert open_form.config().beta2 == 0.99951234


def test_settings_without_effect_are_grey(open_form):
    assert not open_form.fields["lora_rank"].enabled
    open_form.fields["trained"].value = "lora"
    assert open_form.fields["lora_rank"].enabled
    assert not open_form.fields["adversarial_weight"].enabled
    open_form.set_config(TrainConfig(objective="gan", schedule="linear"))
    assert open_form.fields["adversarial_weight"].enabled
    assert open_form.fields["decay_epochs"].enabled


def enabled(form, *names):
    return [name for name in names if form.fields[name].enabled]


def test_each_objective_switches_its_own_settings_on(open_form):
    open_form.set_config(TrainConfig(objective="gan"))
    names = ("critic", "gradient_penalty", "cycle_weight", "triplet_margin")
    assert enabled(open_form, *names) == ["critic"]
    open_form.set_config(TrainConfig(objective="gan", gan_loss="wasserstein-gp"))
    assert enabled(open_form, *names) == ["critic", "gradient_penalty"]
    open_form.set_config(TrainConfig(objective="cycle"))
    assert "cycle_weight" in enabled(open_form, *names)
    assert "triplet_margin" not in enabled(open_form, *names)
    open_form.set_config(TrainConfig(objective="supervised"))
    assert enabled(open_form, *names) == []


def test_settings_of_features_and_steps_need_their_weight_and_schedule(open_form):
    names = ("perceptual_layer", "step_epochs", "step_factor", "critic_norm")
    assert enabled(open_form, *names) == []
    open_form.set_config(TrainConfig(perceptual_weight=0.1, schedule="step"))
    assert enabled(open_form, *names) == list(names[:3])
    assert not enabled(open_form, "critic_layers")
    open_form.set_config(TrainConfig(objective="gan", critic="pixel"))
    assert enabled(open_form, "critic_norm", "critic_layers") == ["critic_norm"]


def test_reset_goes_back_to_what_is_usual(form):
    usual = TrainConfig(epochs=3, ema=0.9)
    form.set_config(usual, usual=usual)
    form.fields["epochs"].value = 50
    form.reset_button.click()
    assert form.config() == usual
    assert form.fields["epochs"].value == 3


def test_settings_go_round_and_bad_ones_change_nothing(open_form):
    wanted = TrainConfig(epochs=4, trained="lora", flip=False, device="cuda:1")
    open_form.set_config(wanted)
    kept = open_form.to_json()
    assert set(kept) == {"epochs", "trained", "flip", "device"}

    open_form.set_config(TrainConfig(seed=5))  # an edit that is not remembered
    open_form.set_from_json(
        kept | {"epochs": 0, "of_an_older_version": 1, "schedule": "steep", "ema": "x"}
    )

    assert open_form.config() == TrainConfig(
        trained="lora", flip=False, device="cuda:1"
    )
    assert open_form.fields["device"].value == "cuda:1"
    assert dict(accepted(TrainConfig, {"epochs": 5, "clip": None})) == {"epochs": 5}


def test_the_wheel_scrolls_the_page_unless_one_has_clicked_into_the_field(form, qtbot):
    form.show()
    native = form.fields["epochs"].native
    nowhere = QPoint(0, 0)
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        nowhere,
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    form.reset_button.setFocus()
    QApplication.sendEvent(native, wheel)

    assert form.config().epochs == TrainConfig().epochs


def test_the_form_needs_no_torch():
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; a = QApplication([]);"
        "from napari_medsynth.widgets.parts.config_form import ConfigForm;"
        "f = ConfigForm(); f.advanced.expand();"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
