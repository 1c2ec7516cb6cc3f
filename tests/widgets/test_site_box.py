"""At this site: subjects, self-test, calibration and what is kept, in their boxes."""

import threading
from dataclasses import replace

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMessageBox

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study
from napari_medsynth.trust.calibration import Calibration
from napari_medsynth.trust.local_cases import Calibrated, CalibrationStep
from napari_medsynth.trust.self_test import SelfTestStep
from napari_medsynth.trust.site import (
    Row,
    SelfTest,
    load_self_test,
    save_self_test,
)
from napari_medsynth.widgets._request import Request
from napari_medsynth.widgets._uncertainty_jobs import VariantSettings
from napari_medsynth.widgets.parts import calibration_box, self_test_box
from napari_medsynth.widgets.parts.options_box import RunOptions
from napari_medsynth.widgets.parts.self_test_table import rows_of
from napari_medsynth.widgets.parts.site_box import SiteBox
from widgets.trust_model import CARD

THREE, TWO = ("T1", "T2", "PD"), ("T1", "T2")


def a_test(card=CARD, problems=()):
    rows = (
        Row("a", TWO, "FLAIR", 20.0, 0.5, 0.10),
        Row("b", TWO, "FLAIR", 24.0, 0.7, 0.20),
        Row("a", THREE, "FLAIR", 25.0, 0.8, 0.05),
        Row("a", ("FLAIR",), "T1", 10.0, 0.3, 0.3),
    )
    return SelfTest(card.id, card.sha256, "2026-11-20", rows, tuple(problems))


class Jobs:
    """Fake jobs: they wait for `go` and give `result`."""

    def __init__(self):
        self.go, self.asked, self.fails = threading.Event(), [], None
        self.go.set()
        self.problems = ()

    def self_test(self, task):
        self.asked.append(task)
        yield None
        yield SelfTestStep(1, 2, 0.25, "FLAIR of T1")
        while not self.go.wait(0.01):
            yield None
        yield None
        if self.fails:
            raise self.fails
        found = a_test(task.card, self.problems)
        save_self_test(task.card, found)
        return found

    def calibrate(self, *job):
        self.asked.append(job)
        yield CalibrationStep(1, 3, 0.1, "s1: reading")
        while not self.go.wait(0.01):
            yield None
        facts = {"target": "FLAIR", "sources": list(TWO), "method": "augmentation"}
        made = Calibration(2.0, 0.9, 0.9, 0.95, 0.8, 3, False, facts=facts)
        return Calibrated((made,), ("x: it lacks T2.",))


@pytest.fixture
def jobs(monkeypatch):
    made = Jobs()
    monkeypatch.setattr(self_test_box, "run_self_test", made.self_test)
    monkeypatch.setattr(calibration_box, "calibrate", made.calibrate)
    yield made
    made.go.set()


@pytest.fixture
def request_(study):
    sources = Study({m: study[m] for m in TWO})
    return Request(sources, CARD, ("FLAIR",), {}, {}, RunOptions())


@pytest.fixture
def make(viewer, request_, jobs, qtbot):
    made = []

    def make_box(card=CARD, request=request_):
        box = SiteBox(
            viewer, lambda: request, lambda: (card, RunOptions()), VariantSettings
        )
        qtbot.addWidget(box)
        box.show()
        box.set_reason("" if request else "Nothing is made.")
        made.append(box)
        return box

    yield make_box
    for box in made:
        box.close()


def settle(box, qtbot):
    qtbot.waitUntil(lambda: not box.is_busy, timeout=10_000)


def texts(table):
    columns = range(table.columnCount())
    return [[table.item(r, c).text() for c in columns] for r in range(table.rowCount())]


def test_table_has_means_and_spread_per_target_and_sources():
    rows = rows_of(a_test())

    assert [(r.target, r.sources) for r in rows] == [
        ("FLAIR", THREE),
        ("FLAIR", TWO),
        ("T1", ("FLAIR",)),
    ]
    two = rows[1]
    assert two.psnr == 22.0 and two.n_subjects == 2
    assert two.spread == pytest.approx(8**0.5)
    assert two.ssim == pytest.approx(0.6) and two.mae == pytest.approx(0.15)
    assert two.texts[2:] == ("22.0 ± 2.8", "0.600", "0.150", "2")
    assert rows[0].texts[2] == "25.0"  # one subject has no spread


def test_self_test_of_open_layers_fills_the_table(make, viewer, add, jobs, qtbot):
    add(viewer, "T1", "T2", "FLAIR")
    box = make()
    test = box.self_test_box
    assert not test.table.isVisible()
    assert "not tested here" in test.summary_label.text()
    with qtbot.waitSignal(box.measured):
        QTest.mouseClick(test.run_box.run_button, Qt.MouseButton.LeftButton)
    (task,) = jobs.asked
    assert set(task.place.layers) == {"T1", "T2", "FLAIR"} and not task.place.folder
    assert (task.masks, task.slices) == ("leave one out", 20)
    assert texts(test.table)[1] == [
        "FLAIR",
        "T1, T2",
        "22.0 ± 2.8",
        "0.600",
        "0.150",
        "2",
    ]
    assert "2 subjects, last on 2026-11-20" in test.summary_label.text()
    assert "Kept" in test.run_box.status_label.text()


def test_what_is_kept_is_shown_when_the_dock_opens(make):
    save_self_test(CARD, a_test())
    box = make(request=None)  # without any image
    assert box.self_test_box.table.rowCount() == 3
    assert box.self_test_box.forget_button.isVisible()


def test_other_weights_have_another_table(make):
    save_self_test(CARD, a_test())
    box = make(replace(CARD, sha256="e" * 64))
    assert box.self_test_box.table.rowCount() == 0


def test_a_folder_needs_no_open_image(make, jobs, qtbot, tmp_path):
    box = make(request=None)
    test = box.self_test_box
    assert "Open real scans" in test.run_box.reason_label.text()
    assert not test.run_box.run_button.isEnabled()
    box.subjects_box.source.choose("folder", "")
    assert "Choose the folder" in test.run_box.reason_label.text()
    box.subjects_box.source.choose("folder", str(tmp_path))
    test.slices_box.setValue(0)
    test.masks_combo.setCurrentIndex(1)
    test.run_box.run_button.click()
    settle(box, qtbot)
    (task,) = jobs.asked
    assert task.place.folder == str(tmp_path)
    assert (task.masks, task.slices) == ("all", None)
    assert not box.calibration_box.run_box.run_button.isEnabled()


def test_a_synthetic_layer_is_no_truth(make, viewer, add, study):
    add(viewer, "T1", "T2")
    facts = {"modality": "FLAIR", "synthetic": True}
    viewer.add_image(study["FLAIR"].data[0], metadata={"medsynth": facts})
    box = make()
    assert set(box.subjects_box.place().layers) == {"T1", "T2"}


def test_layers_that_come_later_are_offered(make, viewer, add, qtbot):
    box = make()
    assert box.subjects_box.reason()
    add(viewer, "T1", "T2")
    qtbot.waitUntil(lambda: not box.subjects_box.reason())
    assert box.self_test_box.run_box.run_button.isEnabled()


def test_cancel_stops_and_keeps_nothing(make, viewer, add, jobs, qtbot):
    add(viewer, "T1", "T2")
    box = make()
    jobs.go.clear()
    run_box = box.self_test_box.run_box
    run_box.run_button.click()
    qtbot.waitUntil(
        lambda: "Subject 1 of 2: FLAIR of T1" in run_box.status_label.text()
    )
    assert run_box.bar.value() == 25
    run_box.cancel_button.click()
    assert run_box.status_label.text() == "Cancelled." and not box.is_busy
    jobs.go.set()
    qtbot.wait(50)
    assert load_self_test(CARD) is None and box.self_test_box.test is None


def test_another_model_stops_the_test(viewer, add, jobs, request_, qtbot):
    add(viewer, "T1", "T2")
    cards = [CARD]
    box = SiteBox(
        viewer, lambda: request_, lambda: (cards[0], RunOptions()), VariantSettings
    )
    qtbot.addWidget(box)
    box.set_reason("")
    jobs.go.clear()
    box.self_test_box.run_box.run_button.click()
    cards[0] = replace(CARD, id="x", sha256="9" * 64)
    box.set_reason("")
    assert not box.is_busy
    box.close()


def test_problems_and_failures_are_told(make, viewer, add, jobs, qtbot):
    add(viewer, "T1", "T2")
    box = make()
    run_box = box.self_test_box.run_box
    jobs.problems = [f"s{i}: it is broken." for i in range(6)]
    run_box.run_button.click()
    settle(box, qtbot)
    said = run_box.status_label.text()
    assert "s3: it is broken." in said and "And 2 more." in said and "s4" not in said
    jobs.fails = VolumeError("No subject can be used.")
    run_box.run_button.click()
    settle(box, qtbot)
    assert run_box.status_label.text() == "No subject can be used."


def test_forgetting_asks_first(make, qtbot):
    save_self_test(CARD, a_test())
    box = make()
    test, questions = box.self_test_box, []
    answer = QMessageBox.StandardButton.No

    def ask(parent, title, question):
        questions.append(question)
        return answer

    test.ask = ask
    test.forget_button.click()
    settle(box, qtbot)
    assert "Mixer on 2 subjects" in questions[0]
    assert load_self_test(CARD) is not None
    answer = QMessageBox.StandardButton.Yes
    with qtbot.waitSignal(box.measured):
        test.forget_button.click()
    assert load_self_test(CARD) is None
    assert test.table.rowCount() == 0 and not test.forget_button.isVisible()


def test_a_model_without_weights_cannot_be_measured(make, viewer, add):
    add(viewer, "T1", "T2")
    box = make(replace(CARD, sha256=""))
    reason = box.self_test_box.run_box.reason_label.text()
    assert "no weights" in reason


def test_a_damaged_file_is_told(make):
    from napari_medsynth.trust.site import site_file

    path = site_file(CARD)
    path.parent.mkdir(parents=True)
    path.write_text("{", "utf-8")
    box = make()
    assert "is damaged" in box.self_test_box.run_box.status_label.text()


def test_calibration_says_what_for_and_what_came_of_it(
    make, viewer, add, jobs, request_, qtbot
):
    add(viewer, "T1", "T2", "FLAIR")
    box = make()
    part = box.calibration_box
    purpose = part.purpose_label.text()
    assert purpose == "Interval of FLAIR made of T1, T2, by augmentation, axial."
    part.step_box.setValue(7)
    with qtbot.waitSignal(box.calibrated):
        QTest.mouseClick(part.run_box.run_button, Qt.MouseButton.LeftButton)
    request, settings, place, step = jobs.asked[0]
    assert request is request_ and settings == VariantSettings() and step == 7
    assert set(place.layers) == {"T1", "T2", "FLAIR"}
    assert "3 patients are too few" in part.statement_label.text()
    assert "x: it lacks T2." in part.run_box.status_label.text()


def test_calibration_can_be_cancelled(make, viewer, add, jobs, qtbot):
    add(viewer, "T1", "T2")
    box = make()
    jobs.go.clear()
    run_box = box.calibration_box.run_box
    run_box.run_button.click()
    qtbot.waitUntil(lambda: "Subject 1 of 3, s1" in run_box.status_label.text())
    box.cancel()
    assert run_box.status_label.text() == "Cancelled." and not box.is_busy


def test_choices_are_remembered(make, tmp_path):
    box = make()
    box.subjects_box.source.choose("folder", str(tmp_path))
    box.self_test_box.slices_box.setValue(5)
    box.calibration_box.step_box.setValue(9)
    kept = box.to_json()
    other = make()
    other.set_from_json(kept)
    assert other.to_json() == kept
    other.set_from_json({"subjects": 3, "self_test": {"slices": "x"}})
    assert other.self_test_box.slices_box.value() == 5
