"""What all docks do: fold, settle, remember, end."""

import gc

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_medsynth.widgets import _dock
from napari_medsynth.widgets._preferences import recall


class Example(_dock.Dock):
    def __init__(self, viewer):
        super().__init__(viewer, "example")
        self.choice = ""
        self.add_section("One", QLabel("a"))
        self.add_section("Two", QLabel("b"), is_open=False)

    def to_json(self):
        return {"choice": self.choice}

    def set_from_json(self, values):
        self.choice = str(values.get("choice", ""))


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch):
    class Fake:
        def apply_home(self):
            return False

    monkeypatch.setattr(_dock, "Preferences", Fake)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)


@pytest.fixture
def make(viewer, qtbot):
    def make_dock():
        dock = Example(viewer)
        qtbot.addWidget(dock)
        return dock

    return make_dock


def test_choices_and_folded_sections_are_remembered(make):
    dock = make()
    dock.settle()
    dock.choice = "rollout"
    dock.sections["One"].collapse(animate=False)
    dock.sections["Two"].expand(animate=False)
    dock.remember()

    other = make()
    other.settle()
    assert other.choice == "rollout"
    assert not other.sections["One"].isExpanded()
    assert other.sections["Two"].isExpanded()


def test_nothing_is_remembered_before_it_was_recalled(make):
    dock = make()
    dock.choice = "lost"
    dock.remember()
    assert recall("example") == {}


def test_settling_twice_recalls_once(make):
    dock = make()
    dock.settle()
    dock.choice = "mine"
    dock.settle()
    assert dock.choice == "mine"


def test_what_is_under_way_ends_with_the_dock(viewer):
    ended = []
    dock = Example(viewer)
    dock.on_close(lambda *args: ended.append(True))
    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    gc.collect()
    assert ended == [True]


def test_a_shown_dock_settles_by_itself(make, qtbot):
    dock = make()
    dock.show()
    qtbot.waitUntil(lambda: dock._is_settled, timeout=5000)
