"""Numbers and the slice plot in their box."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate.windows import WINDOWS
from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import layer_tuple
from napari_medsynth.widgets.parts import metrics_box
from napari_medsynth.widgets.parts.metrics_box import MetricsBox
from napari_medsynth.widgets.parts.slice_plot import SlicePlot


@pytest.fixture
def image(rng):
    data = rng.uniform(0, 100, (1, 14, 16, 18)).astype(np.float32)
    return Volume(data, (2.0, 1.0, 1.5), modality="FLAIR", name="FLAIR")


def add(viewer, volume, **options):
    data, arguments, _ = layer_tuple(volume, contrast_limits=(0, 100), **options)
    return viewer.add_image(data, **arguments)


def add_made(viewer, volume, change, name):
    facts = {"synthetic": True, "provenance": {"model": "m"}}
    return add(
        viewer, volume.with_data(volume.data + change, metadata=facts), name=name
    )


@pytest.fixture
def box(viewer, image, qtbot):
    add(viewer, image)
    add_made(viewer, image, 5, "a")
    made = add_made(viewer, image, 10, "b")
    labels = np.zeros(image.shape, np.uint8)
    labels[4, 2, 3] = 1
    viewer.add_labels(labels, name="dot", scale=made.scale, units=made.units)
    widget = MetricsBox(viewer)
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    widget.close()


def measure(box, qtbot):
    box.form.measure_button.click()
    qtbot.waitUntil(lambda: box.comparison is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    qtbot.waitUntil(lambda: box.form.plot.n_slices > 0)


def texts(table):
    rows = []
    for row in range(table.rowCount()):
        items = [table.item(row, c) for c in range(table.columnCount())]
        rows.append([item.text() for item in items if item is not None])
    return rows


def item_of(table, region, column):
    for row in range(table.rowCount()):
        if table.item(row, 0).text() == region:
            return table.item(row, column)
    raise AssertionError(region)


def test_one_click_fills_the_table(box, qtbot):
    box.form.scaling_box.setCurrentText("As they are")
    measure(box, qtbot)
    table = box.form.table
    rows = texts(table)
    assert [row[0] for row in rows] == [
        *("a", "whole image", "foreground", "dot 1"),
        *("b", "whole image", "foreground", "dot 1"),
    ]
    assert rows[1][1:3] == ["5.00", "5.00"]
    assert rows[5][1:3] == ["10.00", "10.00"]
    assert rows[3][4] == "\N{EN DASH}"  # SSIM of one voxel
    assert "121 voxels" in table.item(3, 4).toolTip()
    assert table.item(1, 1).font().bold()
    assert not table.item(5, 1).font().bold()
    assert "as they are" in box.form.declaration_label.text()
    assert "numpy" in box.form.declaration_label.text()
    assert box.form.results.isVisible()


def test_the_window_on_the_screen_is_declared(box, viewer, qtbot):
    viewer.layers["FLAIR"].contrast_limits = (20, 60)
    box.form.scaling_box.setCurrentText("The window on the screen")
    measure(box, qtbot)
    assert box.comparison.declaration.low == 20
    assert box.comparison.declaration.high == 60
    assert "20 to 60" in box.form.declaration_label.text()


def test_ct_is_offered_its_windows(viewer, qtbot, image):
    ct = image.with_data(image.data, modality="CT", name="CT")
    add(viewer, ct)
    add_made(viewer, ct, 5, "made")
    box = MetricsBox(viewer)
    qtbot.addWidget(box)
    offered = box.form.scaling_box
    names = [offered.itemText(i) for i in range(offered.count())]
    assert names[0] == "As they are"
    assert [name.split(" [")[0].lower() for name in names[1:5]] == [
        name.replace("-", " ") for name in WINDOWS
    ]
    offered.setCurrentIndex(1)
    assert box.form.scaling == ("window", WINDOWS["brain"])
    box.close()


def test_without_a_synthesis_it_says_what_is_needed(viewer, image, qtbot):
    add(viewer, image)
    box = MetricsBox(viewer)
    qtbot.addWidget(box)
    assert "open the real image" in box.form.status_label.text()
    assert not box.form.measure_button.isEnabled()
    box.measure()
    assert not box.is_busy
    add_made(viewer, image, 5, "a")
    qtbot.waitUntil(box.form.measure_button.isEnabled)
    assert box.form.status_label.text() == ""
    box.close()


def test_a_chosen_real_image_stays_chosen(box, viewer, image, qtbot):
    add(viewer, image.with_data(image.data, modality="T1"), name="T1")
    qtbot.waitUntil(lambda: box.form.truth_box.count() == 2)
    box.form.truth_box.setCurrentText("T1")
    add(viewer, image.with_data(image.data, modality="T2"), name="T2")
    qtbot.waitUntil(lambda: box.form.truth_box.count() == 3)
    assert box.form.truth == viewer.layers["T1"]


def test_changed_layers_make_numbers_old(box, viewer, qtbot):
    measure(box, qtbot)
    assert box.form.status_label.text() == ""
    viewer.layers["dot"].paint((4, 4, 4), 2)
    qtbot.waitUntil(lambda: "measure again" in box.form.status_label.text())
    measure_again = box.form.measure_button
    assert measure_again.isEnabled()
    old, box.comparison = box.comparison, None
    measure(box, qtbot)
    assert box.form.status_label.text() == ""
    assert box.comparison is not old
    viewer.layers["a"].data = viewer.layers["a"].data + 1
    qtbot.waitUntil(lambda: "measure again" in box.form.status_label.text())


def test_the_plot_moves_the_viewer_and_follows_it(box, viewer, qtbot):
    measure(box, qtbot)
    plot = box.form.plot
    plot.chosen.emit(11)
    assert viewer.dims.current_step[0] == 11
    QTest.keyClick(plot, Qt.Key.Key_Home)
    assert viewer.dims.current_step[0] == 0
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: plot.index == 5)
    assert plot.value_label.text().startswith("Slice 5, PSNR [dB]: a ")


def test_the_plot_takes_plane_region_and_metric(box, viewer, qtbot):
    measure(box, qtbot)
    plot = box.form.plot
    assert plot.n_slices == 14
    viewer.dims.order = (2, 0, 1)
    qtbot.waitUntil(lambda: plot.n_slices == 18, timeout=10_000)
    viewer.dims.order = (0, 1, 2)
    qtbot.waitUntil(lambda: plot.n_slices == 14, timeout=10_000)
    box.form.metric_box.setCurrentIndex(0)
    qtbot.waitUntil(lambda: "MAE" in plot.value_label.text(), timeout=10_000)
    dot = item_of(box.form.table, "dot 1", 0)
    box.form.table.setCurrentItem(dot)
    qtbot.waitUntil(lambda: box.region == "dot 1" and not box.is_busy, timeout=10_000)
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: "no number here" in plot.value_label.text())
    viewer.dims.set_current_step(0, 4)
    qtbot.waitUntil(lambda: "no number here" not in plot.value_label.text())


def test_a_curve_that_is_known_is_not_measured_again(box, qtbot, monkeypatch):
    measure(box, qtbot)
    asked = []
    monkeypatch.setattr(box._plotting, "start", lambda *args: asked.append(args[2:]))
    box.form.metric_box.setCurrentIndex(0)
    box.form.metric_box.setCurrentIndex(box.form.metric_box.findData("psnr"))
    assert asked == [("foreground", "mae", "axial")]
    assert box.form.plot.n_slices == 14


def test_cancelling_is_at_once_and_keeps_earlier_numbers(box, qtbot, monkeypatch):
    measure(box, qtbot)
    before, waits = box.comparison, threading.Event()

    def slow(task):
        yield 0, 0
        waits.wait(10)
        yield 1, 2

    monkeypatch.setattr(metrics_box, "compare", slow)
    box.form.measure_button.click()
    qtbot.waitUntil(box.form.cancel_button.isVisible)
    assert not box.form.measure_button.isVisible()
    box.form.cancel_button.click()
    assert not box.is_busy
    assert box.form.measure_button.isVisible()
    assert box.form.status_label.text() == "Cancelled."
    waits.set()
    qtbot.wait(50)
    assert box.comparison is before


def test_a_failure_is_one_sentence(box, qtbot, monkeypatch):
    def fail(task):
        yield 0, 0
        raise VolumeError("They hardly overlap: choose others.")

    monkeypatch.setattr(metrics_box, "compare", fail)
    box.form.measure_button.click()
    qtbot.waitUntil(lambda: "hardly" in box.form.status_label.text())
    assert not box.is_busy
    assert box.form.measure_button.isVisible()


def test_exports_are_written_where_it_was_asked(box, qtbot, monkeypatch, tmp_path):
    measure(box, qtbot)
    names = []

    def ask(parent, title, name, kind):
        names.append(name)
        return str(tmp_path / name.partition(".")[0]), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    box.form.csv_button.click()
    qtbot.waitUntil(lambda: (tmp_path / "numbers.csv").is_file(), timeout=10_000)
    qtbot.waitUntil(lambda: box.form.status_label.text() == "Saved numbers.csv.")
    box.form.html_button.click()
    qtbot.waitUntil(
        lambda: box.form.status_label.text() == "Saved report.html.", timeout=10_000
    )
    assert "data:image/png" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_told(box, qtbot, tmp_path):
    measure(box, qtbot)
    (tmp_path / "file").write_text("")
    box.save_csv(tmp_path / "file" / "n.csv")
    qtbot.waitUntil(lambda: "cannot be written" in box.form.status_label.text())


def test_an_export_nobody_wants_writes_nothing(box, qtbot, monkeypatch):
    measure(box, qtbot)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: ("", ""))
    box.form.csv_button.click()
    box.form.html_button.click()
    assert not box.is_busy


def test_closing_mid_run_ends_the_work(box, viewer, qtbot):
    box.form.measure_button.click()
    box.close()
    box.close()
    assert not box.is_busy
    viewer.dims.set_current_step(0, 1)
    viewer.layers.remove("a")
    qtbot.wait(80)
    assert box.form.truth_box.count() == 1


def test_a_destroyed_box_leaves_a_working_viewer(viewer, image, qtbot):
    add(viewer, image)
    add_made(viewer, image, 5, "a")
    events = (viewer.dims.events.current_step, viewer.layers.events)
    before = [len(event.callbacks) for event in events]
    box = MetricsBox(viewer)
    assert [len(event.callbacks) for event in events] != before
    box.measure()
    box.deleteLater()
    QApplication.sendPostedEvents(box, QEvent.Type.DeferredDelete)
    del box
    viewer.dims.set_current_step(0, 3)
    add_made(viewer, image, 6, "b")
    qtbot.wait(100)
    assert [len(event.callbacks) for event in events] == before


def test_the_plotted_metric_is_remembered(box, viewer, qtbot):
    box.form.metric_box.setCurrentIndex(box.form.metric_box.findData("ssim"))
    other = MetricsBox(viewer)
    qtbot.addWidget(other)
    other.set_from_json(box.to_json())
    assert other.form.plotted == "ssim"
    other.set_from_json({"metric": "vif"})
    assert other.form.plotted == "ssim"
    other.close()


@pytest.fixture
def plot(qtbot):
    widget = SlicePlot()
    qtbot.addWidget(widget)
    widget.resize(300, 240)
    widget.show()
    return widget


def test_equal_slices_and_gaps_are_told(plot):
    curve = np.array([20.0, np.nan, np.inf])
    plot.show_curves({"a": curve}, "psnr", "axial")
    told = []
    for index in range(4):
        plot.show_index(index)
        told.append(plot.value_label.text().rpartition(" a ")[2])
    assert told == ["20.00", "no number here", "equal", "no number here"]
    drawn = plot._items[0].getData()[1]
    np.testing.assert_array_equal(np.isfinite(drawn), [True, False, False])


def test_a_click_on_the_plot_chooses_the_slice(plot, qtbot):
    plot.show_curves({"a": np.linspace(10, 20, 50)}, "psnr", "axial")
    qtbot.wait(50)
    view = plot.canvas.getPlotItem().vb
    for index in (7, 33):
        at = plot.canvas.mapFromScene(view.mapViewToScene(view.viewRect().center()))
        at.setX(plot.canvas.mapFromScene(view.mapViewToScene(_point(index))).x())
        with qtbot.waitSignal(plot.chosen) as heard:
            qtbot.mouseClick(plot.canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
        assert abs(heard.args[0] - index) <= 1  # a pixel is half a slice wide
        assert plot.index == heard.args[0]


def test_dragging_the_line_goes_along(plot, qtbot):
    plot.show_curves({"a": np.linspace(10, 20, 50)}, "psnr", "axial")
    plot._line.setValue(20.4)
    with qtbot.waitSignal(plot.chosen) as heard:
        plot._line.sigDragged.emit(plot._line)
    assert heard.args == [20]
    plot._line.setValue(400)
    plot._line.sigDragged.emit(plot._line)
    assert plot.index == 49


def _point(x):
    from qtpy.QtCore import QPointF

    return QPointF(x, 15)
