"""The Fine-tune dock with networks that are not trained, and with single images."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_medsynth import catalogue
from napari_medsynth.catalogue import get_card
from napari_medsynth.io import Volume, write_volume
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.job import DataConfig
from napari_medsynth.training.presets import PRESETS, PUBLISHED
from napari_medsynth.widgets import finetune
from napari_medsynth.widgets._keep_model import NEW_MODEL, NO_VERDICT, verdict_of
from napari_medsynth.widgets._run_folder import RunFolder
from napari_medsynth.widgets._training_job import make_job
from napari_medsynth.widgets.parts import model_box
from napari_medsynth.widgets.parts.cohort_source import FOLDER, LAYERS
from napari_medsynth.widgets.parts.cohort_table import HELD_OUT, TRAIN
from napari_medsynth.widgets.parts.contrast_combos import SOURCE, TARGET
from napari_medsynth.widgets.parts.learn_box import CUSTOM, USUAL_PRESET, LearnBox
from napari_medsynth.widgets.parts.verdict_box import VerdictBox
from widgets.restoring import FINER, THINNER, install


@pytest.fixture(autouse=True)
def real_catalogue(monkeypatch):
    """All cards of the package, and those of the temporary home."""

    class Fake:
        def apply_home(self):
            return False

    monkeypatch.setattr(finetune, "Preferences", Fake)
    monkeypatch.setattr(model_box, "list_cards", catalogue.list_cards)


@pytest.fixture
def dock(viewer, qtbot):
    widget = finetune.FinetuneWidget(viewer)
    qtbot.addWidget(widget)
    widget.settle()
    return widget


@pytest.fixture
def box(qtbot):
    widget = LearnBox()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def folder(tmp_path, study):
    """Two persons with T1, two with T2, one with both."""
    owners = {"anna": ["T1"], "bert": ["T1"], "carl": ["T2"], "dora": ["T2"]}
    for name, contrasts in {**owners, "emil": ["T1", "T2"]}.items():
        for contrast in contrasts:
            write_volume(study[contrast], tmp_path / "scans" / name / f"{contrast}.nii")
    return tmp_path / "scans"


def click(button, at=None):
    where = at or button.rect().center()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=where)


def read(dock, qtbot):
    click(dock.cohort_box.read_button)
    reading = dock.cohort_box._work
    qtbot.waitUntil(lambda: reading.reading is None, timeout=20_000)


def choose(dock, card_id):
    dock.learn_box.model_box.choose(card_id)
    assert dock.learn_box.base() == card_id


def pick(combo, text):
    combo.setCurrentText(text)
    combo.activated.emit(combo.currentIndex())


def xray(seed=0):
    y, x = np.mgrid[-1:1:40j, -1:1:32j]
    return (600 * (x**2 + y**2 < 0.8) + 200 * (1 + np.sin(9 * x + y + seed))).astype(
        "f4"
    )


def test_networks_without_weights_stand_below_and_say_so(box):
    combo = box.model_box.model_combo
    starter, blueprint = combo.findData("resvit-starter"), combo.findData("edsr-x2")
    assert 0 <= starter < blueprint
    assert "not trained" in combo.itemText(blueprint)
    tip = combo.itemData(blueprint, Qt.ItemDataRole.ToolTipRole)
    assert tip == "Not trained: starts from fresh weights."
    assert not box.is_fresh
    assert box.fresh_label.isHidden()

    box.model_box.choose("edsr-x2")

    assert box.is_fresh
    assert not box.fresh_label.isHidden()
    assert box.name() == f"{get_card('edsr-x2').title}, trained here"


def test_choosing_one_takes_its_recipe_and_going_back_the_usual_preset(box):
    before = box.config()
    box.model_box.choose("edsr-x2")

    assert box.preset_combo.currentText() == PUBLISHED
    assert box.config() == TrainConfig(**get_card("edsr-x2").recipe)
    offered = [box.preset_combo.itemText(i) for i in range(box.preset_combo.count())]
    assert offered == [PUBLISHED, *PRESETS, CUSTOM]

    box.preset_combo.textActivated.emit("quick look")
    assert box.config().epochs < 10
    assert box.config().patch_size == 96  # else as published

    box.model_box.choose("resvit-starter")
    assert box.preset_combo.currentText() == USUAL_PRESET
    assert box.config() == before


def test_a_recipe_that_is_changed_is_custom_and_reset_takes_it_back(box):
    box.model_box.choose("edsr-x2")
    box.form.fields["epochs"].value = 3
    assert box.preset_combo.currentText() == CUSTOM
    box.form.reset_button.click()
    assert box.preset_combo.currentText() == PUBLISHED


def test_placeholders_become_the_contrasts_that_were_found(box):
    box.model_box.choose("pix2pix")
    assert not box.contrast_combos.isHidden()
    assert (box.card.inputs, box.card.outputs) == (("MR",), ("CT",))
    heard = []
    box.card_changed.connect(heard.append)

    box.set_found(("CT", "FLAIR"))

    assert (box.card.inputs, box.card.outputs) == (("FLAIR",), ("CT",))
    assert [card.inputs for card in heard] == [("FLAIR",)]
    combo = box.contrast_combos.combos[SOURCE, 0]
    assert [combo.itemText(i) for i in range(2)] == ["CT", "FLAIR"]

    pick(combo, "PET")
    box.set_found(("CT", "T1"))
    assert box.card.inputs == ("PET",)  # by hand
    assert box.card.intensity == get_card("pix2pix").intensity


def test_one_contrast_cannot_be_both(box):
    box.model_box.choose("pix2pix")
    pick(box.contrast_combos.combos[SOURCE, 0], "CT")
    assert box.reason().startswith("CT is chosen twice")
    pick(box.contrast_combos.combos[TARGET, 0], "PET")
    assert box.reason() == ""


@pytest.mark.parametrize("card_id", ["resvit-starter", "edsr-x2", "mmgan"])
def test_fixed_contrasts_are_not_asked_for(box, card_id):
    box.model_box.choose(card_id)
    assert box.contrast_combos.isHidden()
    assert box.card == get_card(card_id)


def test_the_choice_goes_round(box, qtbot):
    box.model_box.choose("pix2pix")
    pick(box.contrast_combos.combos[TARGET, 0], "PET")
    box.form.fields["epochs"].value = 7
    other = LearnBox()
    qtbot.addWidget(other)
    other.set_from_json(json.loads(json.dumps(box.to_json())))
    assert other.card.outputs == ("PET",)
    assert other.config() == box.config()
    damaged = [["Source", 9, "T1"], 3, ["Source", 0, 7]]
    other.set_from_json({"model": "pix2pix", "contrasts": damaged})
    assert other.card.outputs == ("PET",)


def test_weights_of_a_loss_that_are_missing_are_told_before_the_start(box, monkeypatch):
    monkeypatch.delenv("MEDSYNTH_VGG", raising=False)
    box.model_box.choose("srgan-x4")
    assert "medsynth models vgg vgg19" in box.reason()
    assert "\n" not in box.reason()
    box.form.set_config(replace(box.config(), perceptual_weight=0.0))
    assert "l1_weight" in box.reason()
    box.form.set_config(replace(box.config(), l1_weight=1.0))
    assert box.reason() == ""


def test_what_an_objective_cannot_do_is_told(box):
    box.form.fields["objective"].value = "cycle"
    assert "cycle" in box.reason()  # all contrasts of the starter are both


def test_the_job_names_the_card_and_what_is_learnt(dock, tmp_path):
    choose(dock, "pix2pix")
    dock.cohort_box.found = lambda: ("T1", "CT")
    dock.cohort_box.changed.emit()
    study = {"subject": "a", "T1": "/t1.nii", "CT": "/ct.nii"}
    dock.cohort_box.data = lambda: DataConfig(studies=(study,), planes=("coronal",))
    dock.cohort_box.write_layers = lambda folder: ()

    job = make_job(dock.cohort_box, dock.learn_box, "new", tmp_path)

    assert (job.base, job.network.card) == ("", "pix2pix")
    assert (job.network.inputs, job.network.outputs) == (("T1",), ("CT",))
    assert job.data.studies == (study,)
    assert job.data.planes == ("coronal",)
    assert job.learn == dock.learn_box.config()
    assert job.targets == ("CT",)


def test_different_subjects_teach_a_cycle(dock, folder, qtbot, tmp_path):
    dock.cohort_box.source.choose(FOLDER, str(folder))
    choose(dock, "cyclegan")
    read(dock, qtbot)

    card, table = dock.learn_box.card, dock.cohort_box.table
    assert (card.inputs, card.outputs) == (("T1",), ("T2",))
    assert table.names(TRAIN) == ["anna", "bert", "carl", "dora", "emil"]
    assert dock.reason() == ""
    job = make_job(dock.cohort_box, dock.learn_box, "new", tmp_path / "run")
    assert job.data.pairing == "unpaired"
    assert len(job.data.studies) == 5

    choose(dock, "pix2pix")  # needs pairs: looked at again
    qtbot.waitUntil(lambda: dock.cohort_box._work.reading is None, timeout=20_000)
    assert table.names(TRAIN) == ["emil"]
    assert dock.cohort_box.data().pairing == "paired"


def test_every_picture_is_a_subject_and_no_second_contrast_is_asked_for(
    dock, qtbot, tmp_path
):
    from PIL import Image

    (tmp_path / "xrays").mkdir()
    for number in range(4):
        levels = (xray(number) / 4).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / "xrays" / f"{number}.png")
    choose(dock, "edsr-x2")
    dock.cohort_box.source.choose(FOLDER, str(tmp_path / "xrays"))
    read(dock, qtbot)

    assert dock.reason() == ""
    assert dock.cohort_box.problem_label.text() == ""
    assert len(dock.cohort_box.table.names(TRAIN)) == 3
    assert "1 slice" in dock.cohort_box.table.item(0, 1).text()
    assert "slices" not in dock.cohort_box.table.item(0, 1).text()
    assert "verdict" not in dock.cohort_box.summary_label.text()
    assert "measured after every epoch" in dock.cohort_box.summary_label.text()
    assert dock.cohort_box.data().simulated_share == 0  # nothing to forget
    assert "no base model" in dock.verdict_box.sentence_label.text()


def test_each_open_image_is_a_subject(dock, viewer, qtbot, tmp_path):
    install(FINER)
    dock.learn_box.model_box.refresh()
    layers = [viewer.add_image(xray(n), name=f"p{n}") for n in range(3)]
    viewer.add_image(xray(), name="made", metadata={"medsynth": {"synthetic": True}})
    choose(dock, "finer")
    box = dock.cohort_box
    box.source.choose(LAYERS)
    picks = box.source.picks
    assert list(picks.layers()) == ["p0", "p1", "p2"]  # no model's image
    click(picks.boxes[layers[1]], QPoint(8, 8))
    assert list(picks.layers()) == ["p0", "p2"]
    read(dock, qtbot)

    assert dock.reason() == ""
    assert len(box.table.names(TRAIN)) == len(box.table.names(HELD_OUT)) == 1
    studies = box.write_layers(tmp_path / "run")
    assert [study["subject"] for study in studies] == ["p0", "p2"]
    assert len({study["X-ray"] for study in studies}) == 2
    layers[0].data = xray(5)  # another image now
    assert "Read" in dock.reason()
    for check in picks.boxes.values():
        if check.isChecked():
            click(check, QPoint(8, 8))
    assert dock.reason() == "Open an image to learn from, and tick it."


def test_volumes_on_one_grid_are_one_persons(dock, viewer, add, qtbot):
    add(viewer, "T1", "T2")
    choose(dock, "edsr-x2")
    dock.cohort_box.source.choose(LAYERS)
    read(dock, qtbot)
    table = dock.cohort_box.table
    assert table.names(TRAIN) == ["T1", "T2"]
    assert {row.subject.person for row in table.rows.values()} == {"T1"}
    assert "One subject is open" in dock.cohort_box.summary_label.text()


def test_images_of_another_kind_are_not_ticked_by_themselves(dock, viewer, add):
    add(viewer, "T1")
    choose(dock, "redcnn")  # CT
    dock.cohort_box.source.choose(LAYERS)
    picks = dock.cohort_box.source.picks
    assert len(picks.boxes) == 1
    assert picks.layers() == {}


def test_thick_slices_are_learnt_from_the_side(dock):
    install(THINNER)
    dock.learn_box.model_box.refresh()
    options = dock.cohort_box.options
    choose(dock, "thinner")
    assert options.planes == ("coronal", "sagittal")
    assert not options.plane_boxes["axial"].isEnabled()
    assert options.simulated_share > 0  # MR can be rehearsed
    choose(dock, "resvit-starter")
    assert options.planes == ("axial",)


def test_open_layers_name_the_contrasts(dock, viewer, add):
    add(viewer, "T1", "FLAIR")
    viewer.add_image(xray(), name="PET", metadata={"medsynth": {"synthetic": True}})
    dock.cohort_box.source.choose(LAYERS)
    choose(dock, "pix2pix")
    assert dock.cohort_box.found() == ("T1", "FLAIR")
    assert dock.learn_box.card.inputs == ("T1",)
    assert dock.learn_box.card.outputs == ("FLAIR",)
    assert list(dock.cohort_box.source.slots.layers()) == ["T1", "FLAIR"]


def test_a_new_model_is_offered_without_a_second_thought(qtbot):
    box = VerdictBox()
    qtbot.addWidget(box)
    box.set_has_base(False)
    assert "no base model" in box.sentence_label.text()
    box.set_title("Mine")
    box.show_verdict(NEW_MODEL)
    assert box.heading_label.text() == "A new model"
    assert box.keep_button.isEnabled()
    assert box.anyway_box.isHidden()
    assert box.swipe.left_name == "untrained"
    box.show_verdict(NO_VERDICT)
    assert not box.keep_button.isEnabled()
    assert box.swipe.left_name == "base"


def test_what_was_compared_with_nothing_is_told_with_its_numbers(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "job.json").write_text('{"base": ""}', "utf-8")
    assert verdict_of(folder) == NEW_MODEL
    epoch = {"event": "epoch", "validation": {"psnr": 31.256, "mae": 0.1}}
    (tmp_path / "events.jsonl").write_text(json.dumps(epoch) + "\n", "utf-8")
    assert verdict_of(folder)["sentence"].endswith("PSNR 31.26 dB.")
    (tmp_path / "job.json").write_text('{"base": "x"}', "utf-8")
    assert verdict_of(folder) == NO_VERDICT


def test_a_volume_is_written_for_each_open_subject(tmp_path):
    from napari_medsynth.widgets._cohort_read import CohortQuestion, read_cohort

    volumes = {
        name: {"image": Volume(xray(n)[np.newaxis, np.newaxis], name=name)}
        for n, name in enumerate(("p0", "p1"))
    }
    question = CohortQuestion(DataConfig(), get_card("edsr-x2"), volumes, tmp_path)
    found = next(read_cohort(question))
    assert [subject.name for subject in found.subjects] == ["p0", "p1"]
    assert {subject.person for subject in found.subjects} == {"p0", "p1"}
