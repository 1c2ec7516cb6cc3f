"""Which layer is which modality, and what a model does with it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.widgets.parts.modality_table import ModalityTable, assign_layers
from napari_medsynth.widgets.parts.state_chip import State


def image(name, **known):
    metadata = {"medsynth": known} if known else {}
    return Image(np.zeros((2, 3, 4), np.float32), name=name, metadata=metadata)


@pytest.fixture
def table(qtbot, unified):
    widget = ModalityTable()
    qtbot.addWidget(widget)
    widget.set_card(unified)
    return widget


def test_layers_are_assigned_by_metadata_then_name():
    t1 = image("scan 1", modality="T1")
    flair = image("sub-01_FLAIR")
    other = image("something")

    assigned = assign_layers(("T1", "T2", "FLAIR"), [other, flair, t1], {})

    assert assigned == {"T1": t1, "T2": None, "FLAIR": flair}


def test_first_of_two_layers_wins_and_a_choice_goes_first():
    first, second = image("T1 a"), image("T1 b")

    assert assign_layers(("T1",), [first, second], {}) == {"T1": first}
    assert assign_layers(("T1",), [first, second], {"T1": second}) == {"T1": second}
    assert assign_layers(("T1",), [first, second], {"T1": None}) == {"T1": None}


def test_synthetic_layers_are_not_assigned():
    made = image("T1 (synthetic: x)", modality="T1", synthetic=True)

    assert assign_layers(("T1",), [made], {}) == {"T1": None}


def test_only_grey_images_without_a_role_are_offered(table):
    colour = Image(np.zeros((5, 5, 3)), rgb=True, name="T1 colour")
    labels = Labels(np.zeros((5, 5), int), name="T1 labels")
    attention = image("T1 attention", role="attention")

    table.set_layers([colour, labels, attention, image("T1")])

    assert table.rows["T1"].combo.count() == 2


def test_rows_follow_layers_that_come_and_go(table):
    t1, t2 = image("T1"), image("T2")
    table.set_layers([t1])
    assert list(table.sources()) == ["T1"]
    table.set_layers([t1, t2])
    assert list(table.sources()) == ["T1", "T2"]
    table.set_layers([t2])
    assert list(table.sources()) == ["T2"]
    assert table.targets() == ("T1", "PD", "FLAIR")


def test_a_renamed_layer_moves_to_its_row(table):
    layer = image("scan")
    table.set_layers([layer])
    assert table.sources() == {}

    layer.name = "FLAIR"
    table.set_layers([layer])

    assert table.sources() == {"FLAIR": layer}


def test_a_layer_chosen_by_hand_stays_until_it_goes(table):
    t1, other = image("T1"), image("other")
    table.set_layers([t1, other])
    combo = table.rows["T1"].combo

    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    table.set_layers([t1, other])
    assert table.sources() == {"T1": other}

    table.set_layers([t1])
    assert table.sources() == {"T1": t1}


def test_none_chosen_by_hand_makes_a_target(table):
    table.set_layers([image("T1"), image("T2")])
    combo = table.rows["T1"].combo

    combo.setCurrentIndex(0)
    combo.activated.emit(0)

    assert "T1" in table.targets()


def test_check_box_and_chip_change_the_state(table):
    table.set_layers([image("T1")])
    row = table.rows["T1"]

    row.box.click()
    assert row.state is State.TARGET
    row.box.click()
    assert row.state is State.SOURCE
    seen = []
    for _ in range(3):
        QTest.mouseClick(row.chip, Qt.MouseButton.LeftButton)
        seen.append(row.state)
    assert seen == [State.TARGET, State.IGNORED, State.SOURCE]


def test_a_modality_without_layer_cannot_be_a_source(table):
    row = table.rows["PD"]

    assert not row.box.isEnabled()
    QTest.keyClick(row.chip, Qt.Key.Key_Space)
    assert row.state is State.IGNORED
    QTest.keyClick(row.chip, Qt.Key.Key_Space)
    assert row.state is State.TARGET


def test_a_state_survives_a_change_of_card_and_back(table, unified, one_to_one):
    table.set_layers([image("T1")])
    table.set_state("T1", State.TARGET)

    table.set_card(one_to_one)
    assert list(table.rows) == ["T1", "CT"]
    assert table.sources() != {}  # this card cannot make a T1
    table.set_card(unified)

    assert table.rows["T1"].state is State.TARGET
