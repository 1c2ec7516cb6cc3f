"""The Data part: source, reading, roles, problems, and the data of a job."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, write_volume
from napari_medsynth.training.data.report import ContrastReport, SubjectReport
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.job import DataConfig, TrainJob, job_from_json
from napari_medsynth.widgets import _cohort_read
from napari_medsynth.widgets._cohort_read import CohortFound
from napari_medsynth.widgets.parts.cohort_box import CohortBox
from napari_medsynth.widgets.parts.cohort_source import FOLDER, LAYERS
from napari_medsynth.widgets.parts.cohort_table import HELD_OUT, LEFT_OUT, TRAIN
from napari_medsynth.widgets.parts.cohort_words import all_problems, summary

_ROLE = 2  # column of the table


class FakeReader:
    """Tells of made-up subjects; waits before each while `go` is not set."""

    def __init__(self, make_report) -> None:
        self.questions = []
        self.reports = [make_report(f"sub-{i}") for i in range(1, 6)]
        self.held_out = {"sub-5"}
        self.held_out_of_usable = set()
        self.raises: Exception | None = None
        self.go = threading.Event()
        self.go.set()
        self.n_closed = 0

    def __call__(self, question):
        self.questions.append(question)
        try:
            files = {"T1": "/t1.nii", "T2": "/t2.nii", "FLAIR": "/flair.nii"}
            subjects = tuple(Subject(r.name, files) for r in self.reports)
            yield CohortFound(subjects, frozenset(self.held_out))
            for report in self.reports:
                self.go.wait(10)
                yield report
            if self.raises is not None:
                raise self.raises
            return frozenset(self.held_out_of_usable or self.held_out)
        finally:
            self.n_closed += 1


@pytest.fixture
def make_report():
    scan = ContrastReport(
        low=0.0,
        high=900.0,
        shift=0.4,
        turn=0.2,
        similarity=1.2,
        orientation="RAS",
        spacing=(3.0, 1.0, 1.2),
        shape=(48, 40, 36),
    )

    def make(name, *, contrasts=("T1", "T2"), role="train", problems=()):
        return SubjectReport(
            name=name,
            role=role,
            contrasts=dict.fromkeys(contrasts, scan),
            n_slices=48,
            spacing=(3.0, 1.0, 1.2),
            problems=tuple(problems),
            thumbnails=dict.fromkeys(contrasts, np.full((9, 7), 200, np.uint8)),
        )

    return make


@pytest.fixture
def reader(monkeypatch, make_report):
    fake = FakeReader(make_report)
    monkeypatch.setattr(_cohort_read, "read_cohort", fake)
    yield fake
    fake.go.set()


@pytest.fixture
def box(viewer, qtbot, unified):
    widget = CohortBox(viewer)
    qtbot.addWidget(widget)
    widget.set_card(unified)
    return widget


@pytest.fixture
def read_box(box, reader, qtbot, tmp_path):
    """A box that has read five subjects."""
    box.source.choose(FOLDER, str(tmp_path))
    read(box, qtbot)
    return box


def read(box, qtbot):
    box.read()
    qtbot.waitUntil(lambda: box._work.reading is None, timeout=20_000)


def click_role(box, name):
    number = list(box.table.rows).index(name)
    box.table.cellClicked.emit(number, _ROLE)


def test_it_says_what_is_missing_step_by_step(viewer, qtbot, unified, reader, tmp_path):
    box = CohortBox(viewer)
    qtbot.addWidget(box)
    assert "base model" in box.reason()
    box.set_card(unified)
    assert "folder" in box.reason()
    assert not box.read_button.isEnabled()
    box.source.choose(FOLDER, str(tmp_path))
    assert "Read" in box.reason()
    assert box.read_button.isEnabled()
    read(box, qtbot)
    assert box.reason() == ""


def test_every_subject_is_shown_with_what_it_has(read_box):
    table = read_box.table
    assert table.rowCount() == 5
    assert table.item(0, 1).text() == "sub-1\nT1 T2\n48 slices"
    assert not table.item(0, 0).icon().isNull()
    assert "data:image/png" in table.item(0, 0).toolTip()
    assert "48 \N{MULTIPLICATION SIGN} 40" in table.item(0, 1).toolTip()
    assert [table.item(i, _ROLE).text() for i in range(5)] == [TRAIN] * 4 + [HELD_OUT]
    assert read_box.summary_label.text() == (
        "5 subjects: 4 to train on, 1 held out. With fewer than 3 held out the verdict "
        "will be weak."
    )
    assert read_box.contrasts() == ("T1", "T2")


def test_rows_come_one_after_the_other_and_stop_ends_it(box, reader, qtbot, tmp_path):
    reader.go.clear()
    box.source.choose(FOLDER, str(tmp_path))
    box.read()
    qtbot.waitUntil(lambda: box.table.rowCount() == 5)
    assert "reading" in box.table.item(0, 1).text()
    assert box.bar.maximum() == 5
    assert "still being read" in box.reason()

    assert box.read_button.text() == "Stop"
    reading = box._work.reading
    heard = []
    reading.subject_read.connect(heard.append)
    box.read_button.click()
    assert box.table.rowCount() == 0
    assert box.read_button.text() == "Read"
    reader.go.set()
    qtbot.waitUntil(lambda: reader.n_closed == 1)
    QApplication.processEvents()
    assert heard == []  # what comes late is not shown
    assert box.table.rowCount() == 0


def test_a_failed_reading_is_told_in_one_sentence(box, reader, qtbot, tmp_path):
    reader.raises = VolumeError("No subject can be used: check the folder.")
    box.source.choose(FOLDER, str(tmp_path))
    read(box, qtbot)
    assert box.reason() == "No subject can be used: check the folder."
    assert box.problem_label.text().startswith("No subject can be used")
    reader.raises = None
    read(box, qtbot)
    assert box.reason() == ""


def test_a_click_on_a_role_goes_to_the_next_one(read_box):
    heard = []
    read_box.changed.connect(lambda: heard.append(read_box.data().held_out))

    click_role(read_box, "sub-2")

    assert heard == [("sub-2", "sub-5")]
    assert "3 to train on, 2 held out" in read_box.summary_label.text()
    click_role(read_box, "sub-2")
    assert read_box.table.rows["sub-2"].role == LEFT_OUT
    names = [study["subject"] for study in read_box.data().studies]
    assert names == ["sub-1", "sub-3", "sub-4", "sub-5"]
    click_role(read_box, "sub-2")
    assert read_box.table.rows["sub-2"].role == TRAIN


def test_space_changes_the_selected_rows_and_other_columns_do_not(read_box, qtbot):
    read_box.table.cellClicked.emit(0, 1)
    assert read_box.table.rows["sub-1"].role == TRAIN
    read_box.table.selectRow(0)
    QTest.keyClick(read_box.table, Qt.Key.Key_Space)
    assert read_box.table.rows["sub-1"].role == HELD_OUT


def test_a_menu_gives_all_selected_subjects_one_role(read_box, qtbot):
    table = read_box.table
    table.customContextMenuRequested.emit(QPoint(1, 1))  # nothing selected: no menu
    assert table.findChild(QMenu) is None
    table.selectAll()
    table.customContextMenuRequested.emit(QPoint(1, 1))
    menu = table.findChild(QMenu)
    assert [action.text() for action in menu.actions()] == [TRAIN, HELD_OUT, LEFT_OUT]
    menu.actions()[1].trigger()
    menu.close()
    assert read_box.data().held_out == tuple(f"sub-{i}" for i in range(1, 6))


def test_nobody_to_train_on_is_a_reason(read_box):
    read_box.table.set_roles(dict.fromkeys(read_box.table.rows, HELD_OUT))
    assert "train on" in read_box.reason()


def test_nobody_held_out_stays_so(read_box):
    read_box.table.set_roles({"sub-5": TRAIN})
    data = read_box.data()
    assert (data.held_out, data.held_out_share) == ((), 0.0)


def test_unusable_subjects_are_left_out_and_say_why(
    box, reader, make_report, qtbot, tmp_path
):
    reader.reports[1] = make_report(
        "sub-2", role="unusable", contrasts=(), problems=["T1 cannot be read: broken"]
    )
    reader.reports[0] = make_report("sub-1", problems=["no PD"])  # nothing to fix
    reader.reports[2] = make_report("sub-3", problems=["T2 lies 5.2 mm off T1"])
    box.source.choose(FOLDER, str(tmp_path))
    read(box, qtbot)

    assert box.problem_label.text() == (
        "sub-2: T1 cannot be read: broken\nsub-3: T2 lies 5.2 mm off T1\nsub-1: no PD"
    )
    assert box.table.item(2, 3).toolTip() == "T2 lies 5.2 mm off T1"
    assert [bool(box.table.item(i, 3).text()) for i in (0, 1, 2)] == [False, True, True]
    assert "1 left out" in box.summary_label.text()
    click_role(box, "sub-2")
    assert box.table.rows["sub-2"].role == "unusable"
    names = [study["subject"] for study in box.data().studies]
    assert names == ["sub-1", "sub-3", "sub-4", "sub-5"]


def test_others_are_held_out_for_those_that_cannot_be_used(
    box, reader, make_report, qtbot, tmp_path
):
    reader.reports[4] = make_report("sub-5", role="unusable", contrasts=())
    reader.held_out_of_usable = {"sub-2"}
    box.source.choose(FOLDER, str(tmp_path))
    read(box, qtbot)
    assert box.data().held_out == ("sub-2",)

    click_role(box, "sub-2")  # now left out, by hand
    read(box, qtbot)
    assert box.table.rows["sub-2"].role == LEFT_OUT
    assert box.data().held_out == ()


def test_the_data_make_a_job_with_the_readable_files(read_box):
    data = read_box.data()
    assert data.studies[0] == {"subject": "sub-1", "T1": "/t1.nii", "T2": "/t2.nii"}
    job = TrainJob("id", "title", base="b", data=data)
    assert job_from_json(job.to_json()) == job


def test_options_are_part_of_the_data(read_box, unified, one_to_one):
    options = read_box.options
    options.plane_boxes["coronal"].setChecked(True)
    options.rehearsal_spin.setValue(35)
    data = read_box.data()
    assert (data.planes, data.simulated_share) == (("axial", "coronal"), 0.35)

    assert "never saw" in options.plane_boxes["coronal"].toolTip()
    for box in options.plane_boxes.values():
        box.setChecked(False)
    assert "plane" in read_box.reason()
    options.set_card(one_to_one)  # CT cannot be simulated
    assert not options.rehearsal_spin.isEnabled()
    assert options.simulated_share == 0


def test_another_alignment_is_looked_at_anew(read_box, reader, qtbot):
    read_box.options.align_combo.setCurrentIndex(1)
    qtbot.waitUntil(lambda: read_box._work.reading is None)
    assert [q.data.align for q in reader.questions] == ["header", "rigid"]
    assert read_box.data().align == "rigid"


def test_a_model_of_other_contrasts_reads_anew(read_box, reader, qtbot, unified):
    read_box.set_card(replace(unified, id="same-contrasts"))
    assert len(reader.questions) == 1
    other = replace(unified, inputs=("T1", "T2"), outputs=("T1", "T2"))
    read_box.set_card(other)
    qtbot.waitUntil(lambda: read_box._work.reading is None)
    assert reader.questions[1].card == other


def test_another_folder_is_not_mistaken_for_what_was_read(read_box):
    read_box.source.path_edit.setText("/other")
    read_box.source.path_edit.textEdited.emit("/other")
    assert read_box.table.rowCount() == 0
    assert "Read" in read_box.reason()
    assert read_box.data().folder == "/other"


def test_a_dropped_folder_is_read_at_once(box, reader, qtbot, tmp_path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    enter = QDragEnterEvent(
        QPointF(1, 1).toPoint(),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    drop = QDropEvent(
        QPointF(1, 1),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    box.source.choose(LAYERS)
    QApplication.sendEvent(box.source, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(box.source, drop)
    qtbot.waitUntil(lambda: box._work.reading is None)
    assert (box.source.kind, box.source.folder) == (FOLDER, str(tmp_path))
    assert len(reader.questions) == 1


def test_a_dropped_file_is_left_to_napari(box, tmp_path):
    file = tmp_path / "a.nii"
    file.touch()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    enter = QDragEnterEvent(
        QPointF(1, 1).toPoint(),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    enter.ignore()
    QApplication.sendEvent(box.source, enter)
    assert not enter.isAccepted()


def test_a_browsed_folder_is_read_at_once(box, reader, qtbot, tmp_path):
    box.source.ask_folder = lambda *args: str(tmp_path)
    box.source.browse_button.click()
    qtbot.waitUntil(lambda: box._work.reading is None)
    assert len(reader.questions) == 1
    box.source.ask_folder = lambda *args: ""  # cancelled
    box.source.browse_button.click()
    assert box.source.folder == str(tmp_path)


def test_choices_go_round_and_roles_come_back(read_box, viewer, qtbot, unified):
    click_role(read_box, "sub-1")
    read_box.options.rehearsal_spin.setValue(0)
    kept = read_box.to_json()

    other = CohortBox(viewer)
    qtbot.addWidget(other)
    other.set_card(unified)
    other.set_from_json(kept)
    assert other.table.rowCount() == 0  # nothing is read unasked
    assert other.to_json() == kept
    read(other, qtbot)
    assert other.data() == read_box.data()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"source": "cloud", "folder": 3, "roles": {"a": "king"}, "align": "elastic"},
        {"planes": ["oblique"], "rehearsal": "much", "roles": []},
    ],
)
def test_damaged_memories_change_nothing(box, values):
    before = box.to_json()
    box.set_from_json(values)
    assert box.to_json() == before


def test_words():
    one = summary(1, 0, 0, is_open=False)
    assert (
        one == "1 subject: 1 to train on, 0 held out. With none held out there will "
        "be no verdict."
    )
    assert summary(5, 3, 1, is_open=False) == (
        "9 subjects: 5 to train on, 3 held out, 1 left out."
    )
    assert "nothing can be held out" in summary(1, 0, 0, is_open=True)


def test_equal_problems_of_several_subjects_are_one_line():
    problems = {
        "a": ["no PD", "T2 lies 5 mm off T1"],
        "b": ["no PD", "no T1"],
        "c": ["no PD"],
        "d": ["no PD", "no T1"],
    }
    assert all_problems(problems).splitlines() == [
        "a: T2 lies 5 mm off T1",
        "all 4: no PD",
        "b, d: no T1",
    ]
    many = all_problems({"a": ["1", "2", "3", "4", "5", "6"]}).splitlines()
    assert many == ["a: 1", "a: 2", "a: 3", "a: 4", "and 2 more: see the table."]
    same = all_problems({name: ["x"] * (name != "f") for name in "abcdef"})
    assert same == "a, b, c and 2 more: x"


def test_the_box_that_is_closed_while_reading_leaves_nothing(
    viewer, qtbot, unified, reader, tmp_path
):
    before = len(viewer.layers.events.callbacks)
    box = CohortBox(viewer)
    box.set_card(unified)
    box.source.choose(FOLDER, str(tmp_path))
    reader.go.clear()
    box.read()
    qtbot.waitUntil(lambda: box.table.rowCount() == 5)
    box.deleteLater()
    QApplication.sendPostedEvents(None, 52)
    reader.go.set()
    qtbot.waitUntil(lambda: reader.n_closed == 1)
    assert len(viewer.layers.events.callbacks) == before


def test_open_layers_find_their_contrast_and_become_files(
    box, viewer, add, study, qtbot, tmp_path
):
    add(viewer, "T1", "T2")
    box.source.choose(LAYERS)
    assert list(box.source.slots.layers()) == ["T1", "T2"]
    read(box, qtbot)

    assert "nothing can be held out" in box.summary_label.text()
    assert box.reason() == ""
    (written,) = box.write_layers(tmp_path / "run")
    assert set(written) == {"subject", "T1", "T2"}
    assert Path(written["T1"]).parent == tmp_path / "run"
    volume = read_volume(written["T1"])
    np.testing.assert_array_equal(volume.data, study["T1"].data)
    np.testing.assert_allclose(volume.origin, study["T1"].origin, atol=1e-4)
    assert len(box.write_layers(tmp_path / "run")) == 1  # again: no complaint
    job = TrainJob("id", "t", base="b", data=replace(box.data(), studies=(written,)))
    assert job.data.held_out_share == 0


def test_open_layers_need_two_contrasts_and_follow_the_viewer(box, viewer, add, qtbot):
    box.source.choose(LAYERS)
    assert "at least two" in box.reason()
    _, t2 = add(viewer, "T1", "T2")
    assert "Read" in box.reason()
    read(box, qtbot)
    assert box.reason() == ""
    t2.data = np.zeros_like(t2.data)  # it is another image now
    assert "Read" in box.reason()
    read(box, qtbot)
    viewer.layers.remove(t2)
    assert box.table.rowCount() == 0
    assert "at least two" in box.reason()


def test_a_layer_chosen_by_hand_stays(box, viewer, add, study):
    (t1,) = add(viewer, "T1")
    strange = viewer.add_image(study["T2"].data[0], name="strange")
    box.source.choose(LAYERS)
    combo = box.source.slots.combos["T2"]
    combo.setCurrentIndex(combo.findText("strange"))
    combo.activated.emit(combo.currentIndex())
    assert box.source.slots.layers() == {"T1": t1, "T2": strange}
    add(viewer, "FLAIR")
    assert box.source.slots.layers()["T2"] is strange


def test_temporary_files_of_layers_go_with_the_box(
    viewer, add, qtbot, unified, tmp_path
):
    add(viewer, "T1", "T2")
    box = CohortBox(viewer)
    box.set_card(unified)
    box.source.choose(LAYERS)
    read(box, qtbot)
    staged = Path(box.data().studies[0]["T1"])
    assert staged.is_file()
    box.deleteLater()
    QApplication.sendPostedEvents(None, 52)
    assert not staged.parent.exists()


def test_a_real_folder_is_read(box, study, qtbot, tmp_path):
    for name in ("anna", "bert"):
        for contrast in ("T1", "FLAIR"):
            write_volume(study[contrast], tmp_path / name / f"{contrast}.nii")
    box.source.choose(FOLDER, str(tmp_path))
    read(box, qtbot)

    assert list(box.table.rows) == ["anna", "bert"]
    assert sorted(row.role for row in box.table.rows.values()) == [HELD_OUT, TRAIN]
    assert box.contrasts() == ("T1", "FLAIR")
    assert box.data().studies[0]["T1"] == str(tmp_path / "anna" / "T1.nii")
    assert not box.table.item(0, 0).icon().isNull()
    assert isinstance(box.data(), DataConfig)
    (tmp_path / "empty").mkdir()
    box.source.choose(FOLDER, str(tmp_path / "empty"))
    read(box, qtbot)
    assert box.reason().endswith(".")
    assert "\n" not in box.reason()
