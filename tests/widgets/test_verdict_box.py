"""The verdict, its numbers, before and after, and the choice."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_medsynth.widgets.parts.swipe_view import Shown, SwipeView
from napari_medsynth.widgets.parts.verdict_box import VerdictBox
from napari_medsynth.widgets.parts.verdict_table import OWN_TASK, mean_rows
from widgets.training_events import verdict, write_preview


@pytest.fixture
def box(qtbot):
    box = VerdictBox()
    qtbot.addWidget(box)
    box.resize(300, 900)
    box.show()
    return box


@pytest.fixture
def swipe(qtbot):
    """A view of black (before) and white (now), 200 by 200 pixels."""
    swipe = SwipeView()
    qtbot.addWidget(swipe)
    swipe.resize(200, 200)
    swipe.show()
    black, white = np.zeros((10, 10), np.float32), np.ones((10, 10), np.float32)
    swipe.set_images({"before": black, "now": white, "truth": white})
    return swipe


def texts(table):
    return [
        [
            table.item(row, column).text()
            for column in range(5)
            if table.item(row, column)
        ]
        for row in range(table.rowCount())
    ]


def test_nothing_can_be_chosen_before_there_is_a_verdict(box):
    assert not box.keep_button.isVisible()
    assert not box.table.isVisible()
    assert "After the training" in box.sentence_label.text()


def test_a_better_model_can_be_kept_at_once(box, qtbot):
    box.set_title("  Ours ")
    box.show_verdict(verdict("better"))
    assert "Better" in box.heading_label.text()
    assert box.sentence_label.text() == "Better in some way."
    assert not box.anyway_box.isVisible()
    with qtbot.waitSignal(box.keep_clicked) as heard:
        box.keep_button.click()
    assert heard.args == ["Ours"]


@pytest.mark.parametrize("word", ["not distinguishable", "worse"])
def test_any_other_needs_a_second_choice(box, word):
    box.set_title("Ours")
    box.show_verdict(verdict(word))
    assert not box.keep_button.isEnabled()
    box.anyway_box.click()
    assert box.keep_button.isEnabled()
    box.show_verdict(verdict(word))  # of the next run
    assert not box.keep_button.isEnabled()


def test_a_model_needs_a_name(box):
    box.show_verdict(verdict("better"))
    assert not box.keep_button.isEnabled()
    QTest.keyClicks(box.title_edit, "   ")
    assert not box.keep_button.isEnabled()
    QTest.keyClicks(box.title_edit, "Ours")
    assert box.keep_button.isEnabled()


def test_return_in_the_name_keeps_only_what_may_be_kept(box):
    heard = []
    box.keep_clicked.connect(heard.append)
    box.set_title("Ours")
    box.show_verdict(verdict("worse"))
    QTest.keyClick(box.title_edit, Qt.Key.Key_Return)
    assert heard == []
    box.anyway_box.click()
    QTest.keyClick(box.title_edit, Qt.Key.Key_Return)
    assert heard == ["Ours"]


def test_discard_is_always_possible(box, qtbot):
    box.show_verdict(verdict("better"))
    with qtbot.waitSignal(box.discard_clicked):
        box.discard_button.click()


def test_a_choice_is_made_once(box):
    box.set_title("Ours")
    box.show_verdict(verdict("better"))
    box.end("Kept as ours.")
    assert not box.keep_button.isVisible()
    assert not box.discard_button.isVisible()
    assert box.status_label.text() == "Kept as ours."


def test_weakness_and_forgetting_stand_in_the_heading(box):
    box.show_verdict(verdict("better", is_weak=True, has_forgotten=True))
    heading = box.heading_label.text()
    assert "weak" in heading
    assert "forget" in heading
    box.show_verdict(verdict("better"))
    assert "weak" not in box.heading_label.text()


def test_table_has_means_over_subjects_and_the_own_task(box):
    box.show_verdict(verdict())
    assert texts(box.table) == [
        ["T1", "T2", "21.00", "22.50", "▲ +1.50"],
        ["T1+PD", "T2", "25.00", "24.00", "▼ -1.00"],
        [OWN_TASK],
        ["T1", "T2", "30.00", "29.75", "▼ -0.25"],
    ]
    assert box.table.isColumnHidden(1)  # one target: no need to say which
    assert "a: 20.00 → 22.00" in box.table.item(0, 0).toolTip()


def test_several_targets_are_told_apart(box):
    rows = verdict()["rows"]
    rows[2] = {**rows[2], "target": "FLAIR"}
    box.show_verdict(verdict(rows=rows))
    assert not box.table.isColumnHidden(1)


def test_less_error_is_better(box):
    box.show_verdict(verdict())
    box.measure_combo.setCurrentIndex(box.measure_combo.findData("mae"))
    box.measure_combo.activated.emit(2)
    assert texts(box.table)[0][-1] == "▼ +1.5000"
    assert "▲ -0.0100, 95 % interval -0.0200 to -0.0050" in box.interval_label.text()


def test_intervals_are_told_where_there_are_any(box):
    box.show_verdict(verdict())
    lines = box.interval_label.text().splitlines()
    assert lines[0] == (
        "Held-out subjects: ▲ +1.50 dB, 95 % interval +0.50 to +2.50 (4 subjects)"
    )
    assert lines[1].endswith("▼ -0.25 dB, too few to give an interval")


def test_a_verdict_without_numbers_is_a_sentence(box):
    box.show_verdict(
        verdict(
            "not distinguishable",
            rows=[],
            differences={},
            forgetting={},
            forgetting_rows=[],
            notes=["sub-01 could not be measured: no T2."],
        )
    )
    assert not box.table.isVisible()
    assert box.sentence_label.isVisible()
    assert box.notes_label.isVisible()


def test_what_is_no_number_is_left_out_of_the_mean():
    rows = [*verdict()["rows"], {**verdict()["rows"][0], "psnr": None}]
    assert mean_rows(rows, "psnr")[0]["base"] == 21.0


def test_verdict_of_the_guard_is_understood(box):
    from napari_medsynth.training.guard.stats import Interval
    from napari_medsynth.training.guard.verdict import Comparison, reach_verdict

    comparison = Comparison(
        rows=verdict()["rows"],
        differences={"psnr": [np.linspace(0.4, 0.6, 8), np.linspace(0.3, 0.5, 8)]},
    )
    found = reach_verdict(comparison, Comparison()).to_json()
    assert isinstance(Interval.from_json(found["differences"]["psnr"]), Interval)
    box.show_verdict(found)
    assert "weak" in box.heading_label.text()
    assert box.table.rowCount() == 2
    assert "95 % interval" in box.interval_label.text()


def test_preview_is_shown_if_it_can_be_read(box, tmp_path):
    box.show_verdict(verdict())
    assert not box.swipe.isVisible()
    box.show_preview(write_preview(tmp_path / "preview.npz"))
    assert box.swipe.isVisible()
    box.show_preview(tmp_path / "missing.npz")
    assert not box.swipe.isVisible()
    box.show_preview(tmp_path / "preview.npz")
    box.clear()
    assert not box.swipe.isVisible()
    assert not box.keep_button.isVisible()


def test_divider_shows_before_on_its_left_and_now_on_its_right(swipe):
    picture = swipe.grab().toImage()
    assert picture.pixelColor(50, 150).lightness() < 20
    assert picture.pixelColor(150, 150).lightness() > 230
    swipe.move_to(0.9)
    assert swipe.grab().toImage().pixelColor(150, 150).lightness() < 20


def test_mouse_drags_the_divider(swipe):
    QTest.mousePress(swipe, Qt.MouseButton.LeftButton, pos=QPoint(20, 100))
    assert swipe.position == pytest.approx(0.1)
    QTest.mouseMove(swipe, QPoint(160, 100))
    QTest.mouseRelease(swipe, Qt.MouseButton.LeftButton, pos=QPoint(160, 100))
    assert swipe.position == pytest.approx(0.8)
    QTest.mousePress(swipe, Qt.MouseButton.RightButton, pos=QPoint(20, 100))
    assert swipe.position == pytest.approx(0.8)


def test_keys_move_the_divider_and_it_stays_inside(swipe):
    QTest.keyClick(swipe, Qt.Key.Key_Left)
    assert swipe.position == pytest.approx(0.48)
    QTest.keyClick(swipe, Qt.Key.Key_PageUp)
    assert swipe.position == pytest.approx(0.58)
    QTest.keyClick(swipe, Qt.Key.Key_End)
    QTest.keyClick(swipe, Qt.Key.Key_Right)
    assert swipe.position == 1.0
    QTest.keyClick(swipe, Qt.Key.Key_Home)
    assert swipe.position == 0.0
    assert "0 %" in swipe.accessibleDescription()


def test_errors_are_the_differences_to_the_truth(swipe):
    swipe.set_shown(Shown.ERRORS)
    picture = swipe.grab().toImage()
    assert picture.pixelColor(50, 150).lightness() > 230  # black against white
    assert picture.pixelColor(150, 150).lightness() < 20  # white against white


def test_change_is_orange_where_brighter_and_blue_where_darker(swipe):
    images = {k: np.full((10, 10), 0.5, np.float32) for k in ("truth", "before", "now")}
    images["now"][:, :5] = 1.0
    images["now"][:, 5:] = 0.0
    swipe.set_images(images)
    swipe.set_shown(Shown.CHANGE)
    picture = swipe.grab().toImage()
    left, right = picture.pixelColor(50, 150), picture.pixelColor(150, 150)
    assert left.red() > 200 > left.blue()
    assert right.blue() > 200 > right.red()


def test_the_combo_says_what_the_swipe_shows(box, tmp_path):
    box.show_preview(write_preview(tmp_path / "preview.npz"))
    box.shown_combo.setCurrentIndex(1)
    box.shown_combo.activated.emit(1)
    assert box.swipe.shown is Shown.ERRORS


def test_pictures_keep_their_shape(swipe):
    wide = np.zeros((10, 20), np.float32)
    swipe.set_images({"before": wide, "now": wide + 1, "truth": wide})
    assert swipe.heightForWidth(200) == 100
    frame = swipe._frame()
    assert (frame.width(), frame.height()) == (200, 100)


def test_without_images_the_view_says_so(swipe):
    swipe.set_images({})
    assert not swipe.has_images
    swipe.grab()
