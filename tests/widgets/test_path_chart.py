"""The chart of paths: shares, what is painted, where a click leads, the table."""

from __future__ import annotations

import csv

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest

from napari_medsynth.errors import MedSynthError
from napari_medsynth.explain.paths import PATHS, PathStrength
from napari_medsynth.widgets._path_words import (
    COLOURS,
    MEANINGS,
    SEGMENTS,
    save_table,
    shares_of,
)
from napari_medsynth.widgets.parts.path_chart import PathChart
from widgets.pointing import hover

LEFT = Qt.MouseButton.LeftButton
MIXED = PathStrength(
    "art_1",
    {"input skip": 0.5, "contextual": 0.25, "local": 0.125, "hybrid": 0.125},
    base=0.2,
)
PLAIN = PathStrength("art_2", {"input skip": 0.75, "local": 0.25}, base=0.0)
N_SLICES = 6
SLICES = {index: (MIXED, PLAIN) for index in (1, 2, 4)}  # 0, 3 and 5 are empty


@pytest.fixture
def chart(qtbot):
    widget = PathChart()
    qtbot.addWidget(widget)
    widget.set_titles(["Starter"])
    widget.show_strengths((MIXED, PLAIN))
    widget.resize(340, 500)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def along(chart, qtbot):
    chart.show_slices(SLICES, N_SLICES)
    qtbot.wait(20)
    return chart


def test_the_segments_are_the_paths_of_the_core():
    assert (*PATHS, "base") == SEGMENTS
    assert set(COLOURS) == set(MEANINGS) == set(SEGMENTS)


def test_shares_are_of_the_whole_output():
    # the four share 0.8, what base leaves
    assert shares_of(MIXED) == pytest.approx(
        {"input skip": 0.4, "contextual": 0.2, "local": 0.1, "hybrid": 0.1, "base": 0.2}
    )
    assert shares_of(PLAIN)["contextual"] == 0
    assert sum(shares_of(PLAIN).values()) == pytest.approx(1)


def seen(image, x, y):
    colour = image.pixelColor(round(x), round(y))
    for name, code in COLOURS.items():
        if QColor(code).rgb() == colour.rgb():
            return name
    return None


@pytest.mark.parametrize("row", [0, 1])
def test_bars_are_as_long_as_their_shares(chart, row):
    image, bar = chart.bars.grab().toImage(), chart.bars.rect_of(row)
    shares = shares_of((MIXED, PLAIN)[row])
    names = [name for name, share in shares.items() if share]
    x, y = bar.left(), bar.center().y()
    for number, name in enumerate(names):
        x += shares[name] * bar.width()
        assert seen(image, x - 3, y) == name
        if number + 1 < len(names):
            assert seen(image, x + 2, y) == names[number + 1]
    assert x == pytest.approx(bar.right())


def test_the_bar_under_the_mouse_is_said(chart):
    hover(chart.bars, chart.bars.rect_of(1).center())
    assert chart.value_label.text() == "art_2: input skip 75%, local 25%"
    expected = "art_1: input skip 40%, contextual 20%, local 10%, hybrid 10%, base 20%"
    hover(chart.bars, chart.bars.rect_of(0).center())
    assert chart.value_label.text() == expected
    assert chart.bars.accessibleDescription() == expected


def test_a_block_is_chosen_with_a_click_or_keys(along):
    QTest.mouseClick(along.bars, LEFT, pos=along.bars.rect_of(1).center().toPoint())
    assert along.bars.block == "art_2"
    assert "art_2" in along.slices.accessibleName()
    QTest.keyClick(along.bars, Qt.Key.Key_Up)
    assert along.bars.block == "art_1"
    QTest.keyClick(along.bars, Qt.Key.Key_Up)  # there is none above
    assert along.bars.block == "art_1"
    QTest.keyClick(along.bars, Qt.Key.Key_End)
    assert along.bars.block == "art_2"


def test_the_chosen_block_stays_when_the_slice_changes(chart):
    QTest.keyClick(chart.bars, Qt.Key.Key_Down)
    chart.show_strengths((MIXED, PLAIN))
    assert chart.bars.block == "art_2"


def test_columns_are_as_high_as_their_shares(along):
    image, column = along.slices.grab().toImage(), along.slices.column_of(2)
    x = column.left() + 0.25 * column.width()
    counts = dict.fromkeys(SEGMENTS, 0)
    for y in range(along.slices.height()):
        name = seen(image, x, y)
        if name:
            counts[name] += 1
    for name, share in shares_of(MIXED).items():
        assert counts[name] == pytest.approx(share * column.height(), abs=2)
    empty = along.slices.column_of(3).center().toPoint()
    assert seen(image, empty.x(), empty.y()) is None


def test_a_click_on_a_column_wants_to_see_its_slice(along, qtbot):
    where = along.slices.column_of(4).center().toPoint()
    with qtbot.waitSignal(along.slice_chosen) as asked:
        QTest.mouseClick(along.slices, LEFT, pos=where)
    assert asked.args == [4]
    assert along.value_label.text().startswith("Slice 4, art_1: input skip 40%")


def test_dragging_goes_along(along):
    asked = []
    along.slice_chosen.connect(asked.append)
    hover(along.slices, along.slices.column_of(2).center(), LEFT)
    hover(along.slices, along.slices.column_of(3).center(), LEFT)
    assert asked == [2, 3]


def test_keys_go_along_the_slices_and_stay_inside(along):
    asked = []
    along.slice_chosen.connect(asked.append)
    keys = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_End, Qt.Key.Key_PageDown)
    for key in keys:
        QTest.keyClick(along.slices, key)
    assert asked == [0, 1, 5, 0]
    assert "an empty slice" in along.slices.accessibleDescription()


def test_an_empty_slice_under_the_mouse_is_said(along):
    hover(along.slices, along.slices.column_of(3).center())
    assert along.value_label.text() == "Slice 3, an empty slice"


def test_outside_there_is_no_slice(along):
    asked = []
    along.slice_chosen.connect(asked.append)
    QTest.mouseClick(along.slices, LEFT, pos=QPoint(along.slices.width() - 1, 5))
    QTest.mouseClick(along.slices, LEFT, pos=QPoint(0, 5))
    assert asked == [5, 0]


def test_without_slices_there_is_no_plot(along):
    along.show_slices({}, 0)
    assert not along.slices.isVisible()


def test_what_has_no_paths_is_one_sentence(chart):
    chart.show_nothing("UNet has no residual blocks with paths: choose a ResViT.")
    assert not chart.bars.isVisible()
    assert "choose a ResViT" in chart.value_label.text()
    assert not chart.save_button.isEnabled()


def test_the_table_holds_every_block_of_every_slice(tmp_path):
    path = tmp_path / "paths.csv"
    facts = {"model": "starter, tuned", "plane": "axial"}
    steps = save_table(path, facts, {4: (MIXED, PLAIN), 1: (PLAIN,)})
    assert list(steps) == [None]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["slice"], r["block"]) for r in rows] == [
        ("1", "art_2"),
        ("4", "art_1"),
        ("4", "art_2"),
    ]
    assert {r["model"] for r in rows} == {"starter, tuned"}
    for row, strength in zip(rows, (PLAIN, MIXED, PLAIN), strict=True):
        for name, share in shares_of(strength).items():
            assert float(row[name]) == pytest.approx(share, abs=1e-6)


def test_a_table_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    steps = save_table(tmp_path / "file" / "paths.csv", {}, {1: (PLAIN,)})
    with pytest.raises(MedSynthError, match="cannot be written"):
        list(steps)
