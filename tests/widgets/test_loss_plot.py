"""Curves of a training run: kept, drawn, read and saved."""

from __future__ import annotations

import csv
import math
from time import process_time

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QImage, QPalette, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_medsynth.widgets.parts import pace
from napari_medsynth.widgets.parts.loss_plot import LossPlot
from napari_medsynth.widgets.parts.loss_record import LossRecord
from widgets.training_events import epoch, started, step


@pytest.fixture
def plot(qtbot):
    """A shown plot with two epochs of ten steps."""
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(300, 400)
    plot.show()
    plot.prepare()
    feed(plot.add_event)
    plot.draw()
    return plot


def feed(take):
    take(started())
    take(epoch(0))
    for number in range(1, 21):
        take(step(number))
        if number % 10 == 0:
            take(epoch(number // 10, is_best=number == 10))


def test_record_keeps_every_step_over_its_first_room():
    record = LossRecord()
    for number in range(1, 1001):
        record.add_step(step(number))
    assert len(record) == 1000
    assert record.names == ("total", "l1")
    np.testing.assert_allclose(record.raw("total"), 2 / np.arange(1, 1001))


def test_a_loss_that_comes_later_is_nan_before():
    record = LossRecord()
    record.add_step(step(1))
    record.add_step(step(2, losses={"total": 1.0, "ssim": 0.5}))
    assert math.isnan(record.raw("ssim")[0])
    assert record.raw("ssim")[1] == 0.5
    assert math.isnan(record.raw("l1")[1])


def test_smoothing_starts_at_the_first_value_and_outlives_a_nan():
    record = LossRecord()
    for number, value in enumerate((4.0, math.nan, 4.0), start=1):
        record.add_step(step(number, losses={"total": value}))
    np.testing.assert_allclose(record.smooth("total"), [4.0, 4.0, 4.0])
    record.add_step(step(4, losses={"total": 0.0}))
    assert 2.0 < record.smooth("total")[3] < 4.0


def test_a_continued_run_replaces_what_came_after_its_checkpoint():
    record = LossRecord()
    feed(lambda event: record.add_step(event) if event["event"] == "step" else None)
    record.add_epoch(epoch(2))
    record.cut(10)
    assert list(record.steps) == list(range(1, 11))
    assert record.epochs == []
    record.add_step(step(8, losses={"total": 9.0}))
    assert list(record.steps) == list(range(1, 9))
    assert record.raw("total")[-1] == 9.0


def test_values_at_a_step_are_those_of_the_step_and_of_the_epoch_before():
    plot_record = LossRecord()
    plot_record.add_epoch(epoch(0))
    for number in range(1, 16):
        plot_record.add_step(step(number))
        if number == 10:
            plot_record.add_epoch(epoch(1))
    values = plot_record.at(12.3)
    assert values["step"] == 12
    assert values["total"] == pytest.approx(2 / 12)
    assert values["held out: psnr"] == 21.0
    assert plot_record.at(9.0)["held out: psnr"] == 20.0


def test_csv_has_every_step_and_epoch_in_order(plot, tmp_path):
    plot.save_csv(tmp_path / "losses.csv")
    with (tmp_path / "losses.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    kinds = [row["kind"] for row in rows]
    assert kinds == ["epoch", *["step"] * 10, "epoch", *["step"] * 10, "epoch"]
    assert float(rows[4]["total"]) == pytest.approx(2 / 4)
    assert float(rows[4]["learning_rate"]) == 2e-4
    assert rows[4]["held out: psnr"] == ""
    assert [r["held out: psnr"] for r in rows if r["kind"] == "epoch"] == [
        "20.0",
        "21.0",
        "22.0",
    ]
    assert rows[11]["is_best"] == "1"
    assert rows[11]["step"] == "10"


def test_every_curve_has_a_box_that_hides_it(plot):
    assert list(plot.boxes) == ["total", "l1", "held out: mae", "held out: psnr"]
    curve = plot.canvas._curves["l1"]
    np.testing.assert_allclose(curve.getOriginalDataset()[0], np.arange(1, 21))

    plot.boxes["l1"].click()
    assert not curve.isVisible()
    height = plot.canvas.height()
    plot.boxes["held out: mae"].click()
    assert plot.canvas.height() > height
    assert plot.canvas._plots["held out: mae"].isVisible()


def test_validation_and_best_epoch_are_drawn_at_their_steps(plot):
    steps, values = plot.canvas._curves["held out: psnr"].getOriginalDataset()
    assert list(steps) == [0, 10, 20]
    assert list(values) == [20, 21, 22]
    assert list(plot.canvas._best["held out: psnr"].getData()[0]) == [10]


def test_log_scale_is_for_losses_only(plot):
    plot.log_box.click()
    data = plot.canvas._curves["total"].getData()[1]
    assert data.min() < 0  # logarithms
    assert plot.canvas._curves["held out: psnr"].getData()[1].max() == 22


def test_log_scale_survives_a_loss_of_zero_or_less(plot):
    plot.log_box.click()
    plot.add_event(step(21, losses={"total": 0.0, "l1": -1.0}))
    plot.draw()
    plot.canvas.grab()

    for name in (
        "total",
        "l1",
    ):  # the curve goes on, and what has no logarithm is a gap
        drawn = plot.canvas._curves[name].getData()[1]
        assert np.isfinite(drawn).any()
        assert not np.isposinf(drawn).any()


def test_the_mouse_reads_values(plot, qtbot):
    box = plot.canvas._plots[""].vb
    place = box.mapViewToScene(QPointF(7.0, 0.5))
    plot.canvas._on_mouse_moved(place)

    assert "step 7" in plot.value_label.text()
    assert "total 0.2857" in plot.value_label.text()
    assert "held out: PSNR 20" in plot.value_label.text()
    assert plot.canvas._cursors[0].value() == 7
    assert plot.canvas._cursors[0].isVisible()

    plot.canvas.leaveEvent(QEvent(QEvent.Type.Leave))
    assert "step 7" not in plot.value_label.text()
    assert not plot.canvas._cursors[0].isVisible()


def test_the_keyboard_reads_values(plot):
    QTest.keyClick(plot, Qt.Key.Key_Left)
    assert "step 19" in plot.value_label.text()
    QTest.keyClick(plot, Qt.Key.Key_Home)
    assert plot.value_label.text().startswith("step 1 ")
    QTest.keyClick(plot, Qt.Key.Key_Left)
    QTest.keyClick(plot, Qt.Key.Key_Right)
    assert plot.value_label.text().startswith("step 2 ")


def test_everything_is_in_view_again_after_fit(plot):
    box = plot.canvas._plots[""].vb
    box.setXRange(5, 6)
    assert box.viewRange()[0][1] < 10
    plot.fit_button.click()
    plot.canvas.grab()
    assert box.viewRange()[0][1] >= 20


def test_clear_begins_anew(plot):
    plot.clear()
    assert plot.boxes == {}
    assert len(plot.record) == 0
    feed(plot.add_event)
    plot.draw()
    assert len(plot.canvas._plots) == 3
    assert plot.canvas._curves["total"].isVisible()


def test_the_wheel_is_left_to_the_page_and_zooms_with_ctrl(plot, qtbot):
    qtbot.wait(50)  # laid out
    view = plot.canvas._plots[""].vb
    before = view.viewRange()[0]

    assert not turn_wheel(plot.canvas, Qt.KeyboardModifier.NoModifier)
    assert view.viewRange()[0] == before
    assert turn_wheel(plot.canvas, Qt.KeyboardModifier.ControlModifier)
    assert view.viewRange()[0] != before


def turn_wheel(canvas, modifiers):
    """Turn it over the losses; tell whether the canvas took it."""
    place = QPointF(canvas.width() / 2, 60)
    event = QWheelEvent(
        place,
        QPointF(canvas.viewport().mapToGlobal(place.toPoint())),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    canvas.wheelEvent(event)
    return event.isAccepted()


def test_colours_follow_the_theme(plot):
    for colour in ("#101010", "#f0f0f0"):
        palette = QPalette(plot.palette())
        palette.setColor(QPalette.ColorRole.Window, QColor(colour))
        plot.setPalette(palette)
        picture = plot.canvas.grab().toImage()
        assert picture.pixelColor(2, 2).name() == colour


def test_png_has_the_curves_in_twice_the_size(plot, tmp_path):
    plot.save_png(tmp_path / "losses.png")
    picture = QImage(str(tmp_path / "losses.png"))
    assert picture.width() == 2 * plot.canvas.width()
    for colour, part in (("#e69f00", 0.0), ("#cc79a7", 0.5)):  # loss, PSNR below it
        rows = [y for y in range(picture.height()) if picture_has(picture, y, colour)]
        assert rows
        assert min(rows) > part * picture.height()
    assert picture_has(picture, min(rows), "#cc79a7", left=0.8)  # up to the last step
    names = range(8, 40)  # in the upper right corner
    assert any(picture_has(picture, y, "#e69f00", left=0.8) for y in names)
    plot.boxes["total"].click()
    picture = plot.canvas.picture()
    assert not any(picture_has(picture, y, "#e69f00", left=0.8) for y in names)


def picture_has(picture, row, colour, left=0.0):
    """Tell whether a row of pixels has a colour, right of a share of its width."""
    columns = range(int(left * picture.width()), picture.width())
    return any(picture.pixelColor(x, row).name() == colour for x in columns)


@pytest.mark.parametrize("name", ["csv", "png"])
def test_buttons_save_under_the_chosen_name(plot, tmp_path, monkeypatch, name):
    chosen = str(tmp_path / "mine")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (chosen, ""))
    getattr(plot, f"{name}_button").click()
    assert (tmp_path / f"mine.{name}").stat().st_size > 100
    assert plot.value_label.text() == f"Saved mine.{name}."


@pytest.mark.parametrize("name", ["csv", "png"])
def test_a_place_that_cannot_be_written_is_told(plot, tmp_path, monkeypatch, name):
    chosen = str(tmp_path / "missing" / f"losses.{name}")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (chosen, ""))
    getattr(plot, f"{name}_button").click()
    assert plot.value_label.text().startswith("Not saved (")


def test_a_dialog_that_is_closed_saves_nothing(plot, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: ("", ""))
    text = plot.value_label.text()
    plot.csv_button.click()
    assert plot.value_label.text() == text


def test_events_are_drawn_together_and_only_when_shown(qtbot, monkeypatch):
    plot = LossPlot()
    qtbot.addWidget(plot)
    feed(plot.add_event)
    assert not plot._pace.is_waiting
    plot.show()
    plot.prepare()
    drawn = []
    monkeypatch.setattr(plot.canvas, "draw", lambda *a: drawn.append(a))
    for number in range(21, 31):
        plot.add_event(step(number))
    assert drawn == []
    qtbot.waitUntil(lambda: len(drawn) > 0, timeout=3000)
    assert len(drawn) == 1


def test_a_slow_window_is_drawn_more_rarely(qtbot, monkeypatch):
    owner = QWidget()
    qtbot.addWidget(owner)
    clock = iter([0.0, 0.1, 1.0, 1.001, 2.0, 9.0])
    monkeypatch.setattr(pace, "perf_counter", lambda: next(clock))
    drawn = []
    one = pace.Pace(lambda: drawn.append(1), owner)
    pauses = []
    for _ in range(3):
        one._on_due()
        one._on_drawn()
        one._drawn_timer.stop()
        pauses.append(one.pause)
    assert pauses == [1000, 250, 2000]


def test_ten_thousand_steps_are_drawn_within_50_ms(qtbot):
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(420, 500)
    plot.show()
    plot.prepare()
    names = ["total", "l1", "reconstruction", "adversarial", "real", "fake"]
    values = np.random.default_rng(0).random((10_000, 6))
    for number, row in enumerate(values, start=1):
        losses = dict(zip(names, row, strict=True))
        plot.add_event(step(number, losses=losses))
        if number % 500 == 0:
            plot.add_event(epoch(number // 500))
    plot.draw()
    plot.canvas.grab()
    costs = []
    for number in range(10_001, 10_006):
        plot.add_event(step(number, losses=dict.fromkeys(names, 0.5)))
        start = process_time()  # other processes must not fail this test
        plot.draw()
        plot.canvas.grab()
        costs.append(process_time() - start)
    assert min(costs) < 0.05
