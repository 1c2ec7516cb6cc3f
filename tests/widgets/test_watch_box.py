"""Start, stop and watch a training run."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QAbstractButton, QProgressBar

from napari_medsynth.widgets.parts import watch_box
from napari_medsynth.widgets.parts.training_words import duration
from napari_medsynth.widgets.parts.watch_box import WatchBox
from widgets.training_events import epoch, started, step


@pytest.fixture
def box(qtbot):
    box = WatchBox()
    qtbot.addWidget(box)
    box.show()
    return box


@pytest.fixture
def running(box):
    box.start("T2 of our scanner")
    for event in (started(), epoch(0), step(1), step(14)):
        box.show_event(event)
    box.flush()
    return box


def test_start_needs_a_reason_to_be_disabled(box):
    assert box.start_button.isEnabled()
    box.set_startable("No folder is chosen.")
    assert not box.start_button.isEnabled()
    assert box.reason_label.text() == "No folder is chosen."
    assert box.reason_label.isVisible()
    box.set_startable("")
    assert box.start_button.isEnabled()
    assert not box.reason_label.isVisible()


def test_only_what_makes_sense_can_be_clicked(box):
    def enabled():
        buttons = (box.start_button, box.keep_button, box.discard_button)
        return [button.isEnabled() for button in buttons]

    assert enabled() == [True, False, False]
    box.start("x")
    assert enabled() == [False, True, True]
    box.show_stopping()
    assert enabled() == [False, False, False]
    box.end("Over.")
    assert enabled() == [True, False, False]
    assert box.state_label.text() == "Over."


def test_buttons_ask(running, qtbot):
    with qtbot.waitSignal(running.stop_and_keep_clicked):
        running.keep_button.click()
    assert "Stopping" in running.state_label.text()
    running.end("Stopped.")
    with qtbot.waitSignal(running.start_clicked):
        running.start_button.click()
    running.start("x")
    with qtbot.waitSignal(running.stop_and_discard_clicked):
        running.discard_button.click()


def test_a_long_training_is_thrown_away_at_the_second_click(box, qtbot, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(watch_box, "monotonic", lambda: clock[0])
    heard = []
    box.stop_and_discard_clicked.connect(lambda: heard.append(1))
    box.start("x")
    clock[0] = 3600.0

    box.discard_button.click()
    assert heard == []
    assert "sure" in box.discard_button.text()
    box._sure_timer.timeout.emit()  # it was a slip
    assert "sure" not in box.discard_button.text()
    box._sure_timer.stop()

    box.discard_button.click()
    box.discard_button.click()
    assert heard == [1]


def test_progress_tells_epoch_steps_and_time_left(running):
    assert running.state_label.text() == "Epoch 2 of 4"
    assert (running.bars.epoch_bar.value(), running.bars.epoch_bar.maximum()) == (4, 10)
    assert (running.bars.all_bar.value(), running.bars.all_bar.maximum()) == (14, 40)
    assert running.bars.all_bar.text() == "14 of 40 steps · 2 min 05 s left"
    facts = running.facts_label.text()
    for fact in ("12.5 slices/s", "1.5 GiB", "2.0e-04", "cpu", "2 slices per step"):
        assert fact in facts


def test_the_last_step_of_an_epoch_fills_its_bar(running):
    running.show_event(step(20))
    running.flush()
    assert running.bars.epoch_bar.value() == 10


def test_a_continued_run_shows_what_is_done(box):
    box.start("x")
    box.show_event(started(step=25))
    box.flush()
    assert box.bars.all_bar.value() == 25
    assert "continued after step 25" in box.log.toPlainText()


def test_comparison_has_progress(running):
    running.show_event({"event": "judging", "done": 3, "total": 8})
    running.flush()
    assert running.bars.all_bar.text() == "3 of 8 comparisons"
    assert "Comparing" in running.state_label.text()


def test_log_has_a_line_for_all_but_steps(running):
    running.show_event(epoch(1))
    running.show_event(epoch(2, is_best=False))
    report = {"name": "sub-07", "role": "unusable", "problems": ["no PD"]}
    running.show_event({"event": "subjectread", "report": report})
    running.show_event({"event": "done", "pack": "x", "reason": "patience", "kept": ""})
    running.flush()
    lines = running.log.toPlainText().splitlines()
    assert lines[0].startswith("3 subjects to learn from, 1 held out")
    assert lines[1] == "Before training: mae 0.1, psnr 20"
    assert lines[2] == "Epoch 1: loss 0.5, mae 0.05, psnr 21 · best so far"
    assert lines[3] == "Epoch 2: loss 0.5, mae 0.03333, psnr 22"
    assert lines[4] == "⚠ sub-07: no PD"
    assert lines[5] == "Stopped early: it did not get better any more."
    assert len(lines) == 6


def test_the_estimate_stands_in_the_log(running):
    running.show_event({"event": "estimated", "seconds": 200.0})
    running.flush()
    assert running.log.toPlainText().endswith("It will take about 3 min 20 s.")


def test_log_keeps_only_its_tail(box):
    box.start("x")
    for number in range(700):
        box.add_log(f"line {number}")
    assert box.log.blockCount() == 500
    assert box.log.toPlainText().endswith("line 699")


def test_a_warning_stays_in_sight_until_the_next_run(running):
    running.show_event({"event": "note", "text": "Too slow.", "level": "info"})
    running.flush()
    assert not running.note_label.isVisible()
    running.show_event({"event": "note", "text": "Memory.", "level": "warning"})
    running.show_event(step(15))
    running.flush()
    assert running.note_label.text() == "⚠ Memory."
    assert running.note_label.isVisible()
    running.end("Over.")
    running.start("again")
    running.show_event(started())
    running.flush()
    assert not running.note_label.isVisible()


def test_a_failure_is_one_sentence(running):
    running.show_event({"event": "failed", "error": "The disk is full: free some."})
    running.flush()
    assert running.state_label.text() == "The disk is full: free some."
    assert "⚠ The disk is full" in running.log.toPlainText()


def test_unknown_events_change_nothing(running):
    text = running.state_label.text(), running.log.toPlainText()
    running.show_event({"event": "weather", "sun": True})
    running.show_event({})
    running.flush()
    assert (running.state_label.text(), running.log.toPlainText()) == text


def test_events_wait_to_be_shown_together(running, qtbot):
    for number in range(15, 31):
        running.show_event(step(number))
    assert running.bars.all_bar.value() == 14
    qtbot.waitUntil(lambda: running.bars.all_bar.value() == 30, timeout=5000)


def test_curves_get_the_events_and_a_new_run_empties_them(running):
    assert list(running.plot.record.steps) == [1, 14]
    assert running.plot.isVisible()
    running.end("Over.")
    assert running.plot.isVisible()  # to look at what came of it
    assert not running.bars.isVisible()
    running.start("again")
    assert len(running.plot.record) == 0
    assert running.log.toPlainText() == ""


def test_an_earlier_run_is_offered_while_none_is_running(box, qtbot):
    assert not box.resume_button.isVisible()
    box.offer_resume("A run stopped in epoch 3.")
    assert box.resume_button.isVisible()
    assert box.offer_label.text() == "A run stopped in epoch 3."
    with qtbot.waitSignal(box.resume_clicked):
        box.resume_button.click()
    box.start("x")
    assert not box.resume_button.isVisible()
    box.end("Over.")
    assert box.resume_button.isVisible()
    box.offer_resume(None)
    assert not box.resume_button.isVisible()


def test_the_held_out_slice_can_be_looked_at_once_there_is_one(running, qtbot):
    assert not running.look_button.isVisible()
    running.show_event(epoch(1, preview="preview.npz"))
    running.flush()
    assert running.look_button.isVisible()
    with qtbot.waitSignal(running.look_clicked):
        running.look_button.click()


def test_everything_has_a_tooltip_and_a_name(box):
    parts = [*box.findChildren(QAbstractButton), *box.findChildren(QProgressBar)]
    own = [part for part in parts if part.objectName() != "qt_toolbutton"]
    assert [part for part in own if not part.toolTip()] == []
    assert all(part.accessibleName() or part.text() for part in own)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.4, "8 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")],
)
def test_times_are_written_for_people(seconds, text):
    assert duration(seconds) == text
