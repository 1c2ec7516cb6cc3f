"""The honesty box: verdicts, curves, and which maps are the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.explain import Honesty
from napari_medsynth.explain.methods import MapSource
from napari_medsynth.io import Study
from napari_medsynth.widgets._attention_ask import Ask, ask_at
from napari_medsynth.widgets._attention_jobs import Job
from napari_medsynth.widgets._honesty_jobs import Step, Verdict, ask_of, key_of
from napari_medsynth.widgets._request import Request
from napari_medsynth.widgets.parts.honesty_box import HonestyBox, row_of
from napari_medsynth.widgets.parts.options_box import RunOptions
from widgets.attention_models import looker_card
from widgets.pointing import hover

FRACTIONS = (0.05, 0.1, 0.2, 0.4)
GOOD = Honesty(0.1, 1.5, (0.1, 0.2, 0.3, 0.4), (0, 0, 0.1, 0.1), (0.1,) * 4, True, "")
BAD = Honesty(
    0.91, -0.5, (0.02,) * 4, (0.04,) * 4, (0.04,) * 4, False, "With shuffled weights."
)
HONEST = Verdict("Base", GOOD, FRACTIONS)
FALSE = Verdict("Tuned", BAD, FRACTIONS, "Like random weights: with shuffled weights.")
UNKNOWN = Verdict("Blind", None, reason="Not tested: Blind has no attention.")


@pytest.fixture
def box(qtbot):
    widget = HonestyBox()
    qtbot.addWidget(widget)
    widget.resize(340, 500)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def test_rows_say_verdict_and_numbers():
    assert row_of(HONEST) == ("Base", "honest", "0.10", "+1.50")
    assert row_of(FALSE) == ("Tuned", "not honest", "0.91", "-0.50")
    assert row_of(UNKNOWN)[:2] == ("Blind", "not tested")


def test_what_fails_comes_to_the_front_with_its_reason(box):
    box.show_verdicts([HONEST, FALSE])
    assert box.table.currentRow() == 1
    assert "Like random weights" in box.reason_label.text()
    assert box.reason_label.isVisible()
    box.table.selectRow(0)
    assert not box.reason_label.isVisible()
    assert "most attended 10 %, random 10 %" in box.value_label.text()


def test_what_could_not_be_tested_has_no_curves(box):
    box.show_verdicts([UNKNOWN])
    assert not box.plot.isVisible()
    assert "no attention" in box.reason_label.text()


def test_nothing_is_shown_before_and_after(box):
    assert not box.plot.isVisible()
    box.show_verdicts([FALSE])
    assert box.plot.isVisible()
    box.forget()
    assert not box.plot.isVisible()
    assert not box.table.isVisible()
    assert not box.reason_label.isVisible()
    assert "not been tested" in box.run_box.status_label.text()


def test_curves_are_where_their_numbers_are(box):
    box.show_verdicts([HONEST])
    plot = box.plot
    zero = plot.point_of("least attended", 0).y()  # nothing changed there
    top = plot.point_of("most attended", 3)
    assert plot.point_of("most attended", 1).y() == pytest.approx(
        zero + (top.y() - zero) * 0.2 / 0.4
    )
    xs = [plot.point_of("random", n).x() for n in range(4)]
    assert (xs[3] - xs[2]) == pytest.approx(4 * (xs[1] - xs[0]))  # 0.2 is 4 x 0.05


def test_keys_read_the_points(box):
    box.show_verdicts([HONEST])
    QTest.keyClick(box.plot, Qt.Key.Key_End)
    text = "40% of the subject deleted, the synthesis changes by: most attended 40 %"
    assert box.value_label.text().startswith(text)
    assert box.plot.accessibleDescription().startswith(text)
    QTest.keyClick(box.plot, Qt.Key.Key_Right)
    QTest.keyClick(box.plot, Qt.Key.Key_Left)
    assert box.value_label.text().startswith("20%")


def test_the_mouse_reads_the_nearest_point(box):
    box.show_verdicts([HONEST])
    hover(box.plot, box.plot.point_of("random", 2))
    assert box.value_label.text().startswith("20%")


def test_progress_is_shown(box):
    box.set_ready(True)
    box.show_running(Step(3, 26, "Base: Deleting regions, 1 of 10"))
    assert box.run_box.is_running
    assert (box.run_box.bar.value(), box.run_box.bar.maximum()) == (3, 26)
    assert "Deleting" in box.run_box.status_label.text()
    assert not box.run_box.run_button.isEnabled()
    box.show_ended("Cancelled.")
    assert box.run_box.run_button.isEnabled()


def test_without_maps_it_says_what_is_needed(box):
    assert not box.run_box.run_button.isEnabled()
    assert "tick a model" in box.run_box.reason_label.text()


@pytest.fixture
def job(study):
    request = Request(
        Study({"T1": study["T1"]}),
        looker_card("base"),
        ("FLAIR",),
        {"scale": (2.0, 1.0, 1.0), "translate": (0.0, 0.0, 0.0)},
        {},
        RunOptions(),
    )
    return Job({"Base": request}, (ask_at((4.0, 9.0, 9.0)),), MapSource())


def test_the_same_map_has_the_same_key(job):
    again = replace(job, asks=(ask_at((4.4, 9.0, 9.0)).moved_to((4.0, 0, 0), 0),))
    assert key_of(again, "Base") == key_of(job, "Base")
    pair = replace(job, pair=("Base", "Tuned"), has_difference=True)
    assert key_of(pair, "Base") == key_of(job, "Base")


@pytest.mark.parametrize(
    "change",
    [
        {"source": MapSource("head", "art_1", 0, 0)},
        {"asks": (ask_at((6.0, 9.0, 9.0)),)},  # another slice
        {"asks": (ask_at((4.0, 9.0, 8.0)),)},
        {"asks": (Ask(np.array([4.0, 0, 0])),)},  # the whole slice
        {"is_reverse": True},
        {"target": "T2"},
        {"modality": "T1"},
    ],
)
def test_another_map_has_another_key(job, change):
    assert key_of(replace(job, **change), "Base") != key_of(job, "Base")


def test_each_slice_is_another_map(job):
    here, there = (
        replace(job, asks=(Ask(np.array([place, 0.0, 0.0])),)) for place in (4.0, 6.0)
    )
    assert key_of(here, "Base") != key_of(there, "Base")


def test_other_images_are_another_map(job):
    request = job.requests["Base"]
    other = replace(job, requests={"Base": replace(request)})
    assert key_of(other, "Base") != key_of(job, "Base")


def test_the_first_pin_is_tested_where_nothing_else_is_shown():
    whole, pin = Ask(np.zeros(3)), replace(ask_at((1.0, 2.0, 3.0)), number=1)
    here = ask_at((3.0, 3.0, 3.0))
    assert ask_of(Job({}, (whole, pin), MapSource())) is pin
    assert ask_of(Job({}, (here, pin), MapSource())) is here
    assert ask_of(Job({}, (whole,), MapSource())) is whole
