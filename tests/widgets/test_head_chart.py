"""The chart of heads: what is painted, said, and chosen."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest

from napari_medsynth.explain import HeadStatistic
from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets.parts.head_chart import HeadChart
from napari_medsynth.widgets.parts.head_grid import colour_at
from widgets.pointing import hover

LEFT = Qt.MouseButton.LeftButton
BITS = 7.0  # of log2 T
# art_1 has two layers of three heads, art_6 one of two
HEADS = tuple(
    HeadStatistic(block, layer, head, bits, bits / BITS, distance)
    for block, layer, head, bits, distance in (
        ("art_1", 0, 0, 0.0, 10.0),
        ("art_1", 0, 1, 3.5, 20.0),
        ("art_1", 0, 2, 7.0, 30.0),
        ("art_1", 1, 0, 1.0, 40.0),
        ("art_1", 1, 1, 2.0, 60.0),
        ("art_1", 1, 2, 6.0, 80.0),
        ("art_6", 0, 0, 4.0, 70.0),
        ("art_6", 0, 1, 5.0, 50.0),
    )
)


@pytest.fixture
def chart(qtbot):
    widget = HeadChart()
    qtbot.addWidget(widget)
    widget.set_titles(["Starter", "Tuned"])
    widget.show_heads(HEADS)
    widget.resize(340, 300)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


@pytest.fixture
def chosen(chart):
    found = []
    chart.chosen.connect(found.append)
    return found


def middle(chart, row, column, panel=0) -> QPoint:
    return chart.grid.rect_of(row, column, panel).center().toPoint()


@pytest.mark.parametrize("panel", [0, 1])
def test_a_click_chooses_the_head_as_the_source_of_maps(chart, chosen, panel):
    QTest.mouseClick(chart.grid, LEFT, pos=middle(chart, 1, 2, panel))
    QTest.mouseClick(chart.grid, LEFT, pos=middle(chart, 2, 1, panel))
    assert chosen == [
        MapSource("head", "art_1", 1, 2),
        MapSource("head", "art_6", 0, 1),
    ]


def test_where_there_is_no_head_nothing_is_chosen(chart, chosen):
    QTest.mouseClick(chart.grid, LEFT, pos=middle(chart, 2, 2))
    QTest.mouseClick(chart.grid, LEFT, pos=QPoint(2, 2))
    QTest.mouseClick(chart.grid, Qt.MouseButton.RightButton, pos=middle(chart, 0, 0))
    assert not chosen


def test_the_numbers_of_the_head_under_the_mouse_are_said(chart):
    hover(chart.grid, chart.grid.rect_of(0, 1).center())
    expected = "art_1, layer 1, head 2: entropy 3.50 of 7.0 bits, looks 20 mm"
    assert expected in chart.value_label.text()
    assert expected in chart.grid.accessibleDescription()


def test_keys_go_from_head_to_head_and_choose(chart, chosen):
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Up):
        QTest.keyClick(chart.grid, key)
    assert "art_1, layer 1, head 2" in chart.grid.accessibleDescription()
    QTest.keyClick(chart.grid, Qt.Key.Key_End)
    QTest.keyClick(chart.grid, Qt.Key.Key_Return)
    QTest.keyClick(chart.grid, Qt.Key.Key_Home)
    QTest.keyClick(chart.grid, Qt.Key.Key_Space)
    assert [(one.layer, one.head) for one in chosen] == [(0, 2), (0, 0)]


def test_the_cursor_does_not_leave_the_heads(chart, chosen):
    for _ in range(5):
        QTest.keyClick(chart.grid, Qt.Key.Key_Down)
    for _ in range(5):
        QTest.keyClick(chart.grid, Qt.Key.Key_Right)
    QTest.keyClick(chart.grid, Qt.Key.Key_Enter)
    assert chosen == [MapSource("head", "art_6", 0, 1)]


def colour_in(chart, row, column, panel) -> QColor:
    cell = chart.grid.rect_of(row, column, panel)
    image = chart.grid.grab().toImage()
    ratio = image.devicePixelRatio()
    x, y = cell.left() + 3, cell.top() + 3
    return image.pixelColor(round(x * ratio), round(y * ratio))


def is_like(one: QColor, other: QColor) -> bool:
    pairs = zip(one.getRgb(), other.getRgb(), strict=True)
    return all(abs(a - b) <= 2 for a, b in pairs)


@pytest.mark.parametrize(
    ("place", "panel", "share"),
    [
        ((0, 2), 0, 1.0),  # 7 of 7 bits
        ((0, 1), 0, 0.5),
        ((1, 1), 1, 0.75),  # 60 of at most 80 mm
        ((2, 0), 1, 0.875),
    ],
)
def test_bright_is_much(chart, place, panel, share):
    assert is_like(colour_in(chart, *place, panel), colour_at(share))


def test_the_colours_are_told_apart():
    assert colour_at(0).lightnessF() < colour_at(0.5).lightnessF()
    assert colour_at(0.5).lightnessF() < colour_at(1).lightnessF() + 0.2
    assert colour_at(-1) == colour_at(0)
    assert colour_at(2) == colour_at(1)


def test_the_head_whose_map_is_shown_is_marked(chart):
    chart.mark(MapSource("head", "art_1", 1, 0))
    assert chart.grid.marked == HEADS[3]
    assert "art_1, layer 2, head 1: entropy 1.00" in chart.value_label.text()
    with_mark = chart.grid.grab().toImage()
    chart.mark(MapSource("rollout"))
    assert chart.grid.marked is None
    assert chart.grid.grab().toImage() != with_mark
    chart.mark(MapSource("head", "art_7", 1, 0))
    assert chart.grid.marked is None


def test_a_mark_stays_when_the_numbers_change(chart):
    chart.mark(MapSource("head", "art_6", 0, 1))
    chart.show_heads(HEADS[3:])
    assert chart.grid.marked == HEADS[-1]


def test_heads_that_look_at_one_token_have_a_colour(chart):
    chart.show_heads([HeadStatistic("art_1", 0, 0, 0.0, 0.0, 0.0)])
    assert is_like(colour_in(chart, 0, 0, 0), colour_at(0))
    hover(chart.grid, chart.grid.rect_of(0, 0).center())
    assert "entropy 0.00 bits" in chart.value_label.text()


def test_a_model_without_attention_is_one_sentence(chart, qtbot):
    chart.show_nothing("Starter has no attention.")
    assert not chart.grid.isVisible()
    assert chart.value_label.text() == "Starter has no attention."
    chart.show_heads(HEADS)
    assert chart.grid.isVisible()


def test_models_are_offered_if_there_are_several(chart, qtbot):
    assert chart.model_combo.isVisible()
    chart.model_combo.setCurrentText("Tuned")
    chart.set_titles(["Other", "Tuned"])
    assert chart.title == "Tuned"  # it stays
    with qtbot.waitSignal(chart.model_chosen):
        chart.model_combo.setCurrentText("Other")
    chart.set_titles(["Tuned"])
    assert not chart.model_combo.isVisible()
    assert chart.title == "Tuned"
    chart.set_titles([])
    assert chart.title == ""
