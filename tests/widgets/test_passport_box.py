"""The passport in the Synthesize dock: shown when sources change, mended on a click."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.engine.progress import Result
from napari_medsynth.errors import VolumeError
from napari_medsynth.trust.passport import Check, Passport
from napari_medsynth.widgets import _passport, _request, synthesize
from napari_medsynth.widgets.parts.options_box import RunOptions
from napari_medsynth.widgets.parts.passport_box import CheckRow, PassportBox
from napari_medsynth.widgets.parts.state_chip import State

GOOD = Check("contrast", "T1", "green", "T1 looks like a T1.")
SWAP = Check("contrast", "T1", "red", "T1 looks like a T2.", "swap", "T2")
MOVE = Check("contrast", "T1", "red", "T1 looks like a PD.", "move", "PD")
OFF = Check("alignment", "T2", "amber", "T2 lies off T1.", "register", "T1")


class FakeLook:
    """Gives the checks of `found`; waits before that until `go` is set, if asked."""

    def __init__(self) -> None:
        self.found = (GOOD,)
        self.asked = []
        self.waits = False
        self.go = threading.Event()
        self.raises = None

    def inspect(self, study, card, plane):
        self.asked.append((study, card, plane))
        found = self.found if len(study.modalities) > 1 else (GOOD,)
        yield "looking"
        if self.waits:
            self.go.wait(10)
        return Passport(found), study

    def register(self, moving, fixed):
        yield "registering"
        if self.raises is not None:
            raise self.raises
        return fixed.with_data(
            np.full_like(fixed.data, 7), modality=moving.modality, metadata={}
        )


@pytest.fixture
def look(monkeypatch):
    fake = FakeLook()
    monkeypatch.setattr(_passport, "_inspect", fake.inspect)
    monkeypatch.setattr(_passport, "_register", fake.register)
    monkeypatch.setattr(_passport, "_DELAY", 0)
    yield fake
    fake.go.set()


@pytest.fixture
def shown(viewer, add, engine, look, qtbot):
    """A dock over T1 and T2 that thinks it is on the screen."""
    add(viewer, "T1", "T2")
    dock = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(dock)
    dock.settle()

    def show(*checks):
        look.found = checks
        dock._work.passport.set_visible(True)
        qtbot.waitUntil(lambda: len(checks) and looked(dock), timeout=8000)
        return dock

    return show


def looked(dock):
    watch = dock._work.passport
    return watch.passport is not None and watch._worker is None


def press(dock, title):
    (button,) = (
        row.button for row in dock.passport_box.rows if row.button.text() == title
    )
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def slots(dock):
    return {m: layer.name for m, layer in dock.modality_table.sources().items()}


def test_nothing_is_looked_at_while_the_dock_is_hidden(qtbot, dock, look):
    qtbot.wait(50)

    assert look.asked == []
    assert dock.passport_box.isHidden()


def test_sources_are_looked_at_without_a_layer(shown, look):
    dock = shown(GOOD)

    (study, card, plane) = look.asked[0]
    assert (study.modalities, card.id, plane) == (("T1", "T2"), "fake-unified", "axial")
    assert (
        dock.passport_box.title
        == "\N{CHECK MARK} Sources: no objection, contrasts not judged"
    )
    assert dock.passport_box.rows == []  # folded, and no objection


def test_worst_finding_stands_under_the_line_and_all_unfold(shown):
    dock = shown(SWAP, OFF, GOOD)
    box = dock.passport_box

    assert "1 wrong, 1 doubtful" in box.title
    assert [row.sentence.text() for row in box.rows] == [SWAP.sentence]
    box.section.expand(animate=False)
    assert [row.check for row in box.rows] == [SWAP, OFF, GOOD]
    assert [row.button.text() for row in box.rows if row.check.fix] == [
        "Swap",
        "Register",
    ]
    assert all(row.button.toolTip() for row in box.rows if row.check.fix)
    assert box.rows[2].button.isHidden()
    box.section.collapse(animate=False)
    assert [row.check for row in box.rows] == [SWAP]
    box.section.expand(animate=False)
    box.show_passport(Passport((MOVE, GOOD)))
    assert [row.check for row in box.rows] == [MOVE, GOOD]
    assert not box.rows[0].button.isHidden()
    assert box.rows[1].button.isHidden()
    shown = [r for r in box.section.findChildren(CheckRow) if not r.isHidden()]
    assert shown == box.rows


def test_another_choice_is_looked_at_anew_and_the_same_one_is_not(qtbot, shown, look):
    dock = shown(GOOD)

    dock.options_box.set_options({"device": "cpu"})  # no matter of the sources
    qtbot.wait(50)
    assert len(look.asked) == 1

    dock.modality_table.set_state("T2", State.TARGET)
    qtbot.waitUntil(lambda: looked(dock) and len(look.asked) == 2)
    assert look.asked[1][0].modalities == ("T1",)

    dock.options_box.set_options({"plane": "coronal"})
    qtbot.waitUntil(lambda: looked(dock) and len(look.asked) == 3)
    assert look.asked[2][2] == "coronal"


def test_a_volume_is_made_once_as_long_as_its_layer_stays_the_same(
    qtbot, shown, look, viewer
):
    dock = shown(GOOD)
    dock.modality_table.set_state("T2", State.TARGET)
    qtbot.waitUntil(lambda: looked(dock) and len(look.asked) == 2)
    assert look.asked[1][0]["T1"] is look.asked[0][0]["T1"]

    viewer.layers["T1"].data = viewer.layers["T1"].data * 2
    qtbot.waitUntil(lambda: looked(dock) and len(look.asked) == 3)
    assert look.asked[2][0]["T1"] is not look.asked[0][0]["T1"]


def test_what_was_found_for_an_old_choice_is_not_shown(
    qtbot, viewer, add, engine, look
):
    add(viewer, "T1", "T2")
    dock = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(dock)
    look.waits, look.found = True, (SWAP,)
    shown = []
    show = dock.passport_box.show_passport
    dock.passport_box.show_passport = lambda p: shown.append(p.checks) or show(p)
    dock._work.passport.set_visible(True)
    qtbot.waitUntil(lambda: len(look.asked) == 1)

    dock._work.passport._timer.setInterval(300)  # the old one ends before the next
    dock.modality_table.set_state("T2", State.TARGET)
    look.waits = False
    look.go.set()
    qtbot.waitUntil(lambda: len(look.asked) == 2, timeout=8000)
    qtbot.waitUntil(lambda: looked(dock), timeout=8000)

    assert look.asked[-1][0].modalities == ("T1",)
    assert set(shown) == {(GOOD,)}


def test_swap_exchanges_the_layers_and_can_be_undone(qtbot, shown, look):
    dock = shown(SWAP)
    look.found = (GOOD,)

    press(dock, "Swap")

    assert slots(dock) == {"T1": "T2", "T2": "T1"}
    qtbot.waitUntil(lambda: looked(dock) and len(look.asked) == 2)
    assert look.asked[1][0].modalities == ("T1", "T2")
    assert not dock.passport_box.undo_button.isHidden()
    QTest.mouseClick(dock.passport_box.undo_button, Qt.MouseButton.LeftButton)
    assert slots(dock) == {"T1": "T1", "T2": "T2"}
    assert dock.passport_box.undo_button.isHidden()


def test_move_puts_the_layer_into_the_other_slot(shown):
    dock = shown(MOVE)

    press(dock, "Use as PD")

    assert slots(dock) == {"T2": "T2", "PD": "T1"}
    assert "T1" in dock.modality_table.targets()
    dock._work.passport.undo()
    assert slots(dock) == {"T1": "T1", "T2": "T2"}


def test_register_adds_a_layer_and_keeps_the_old_one(qtbot, shown, viewer):
    dock = shown(OFF)

    press(dock, "Register")
    qtbot.waitUntil(lambda: "T2 (registered)" in viewer.layers, timeout=8000)

    new, old = viewer.layers["T2 (registered)"], viewer.layers["T2"]
    assert slots(dock) == {"T1": "T1", "T2": "T2 (registered)"}
    assert (new.data == 7).all()
    assert not old.visible
    assert new.visible
    np.testing.assert_allclose(new.scale, viewer.layers["T1"].scale)
    np.testing.assert_allclose(new.translate, viewer.layers["T1"].translate)
    assert new.metadata["medsynth"]["modality"] == "T2"
    qtbot.waitUntil(lambda: looked(dock))
    dock._work.passport.undo()
    assert [layer.name for layer in viewer.layers] == ["T1", "T2"]
    assert old.visible
    assert slots(dock) == {"T1": "T1", "T2": "T2"}


def test_a_registration_that_fails_is_one_sentence(qtbot, shown, look, viewer):
    dock = shown(OFF)
    look.raises = VolumeError("They have nothing in common.")

    press(dock, "Register")

    qtbot.waitUntil(
        lambda: dock.run_box.status_label.text() == "They have nothing in common."
    )
    qtbot.waitUntil(lambda: looked(dock))
    assert [layer.name for layer in viewer.layers] == ["T1", "T2"]
    assert dock.passport_box.rows[0].isEnabled()
    assert dock.passport_box.undo_button.isHidden()


def test_a_run_carries_the_passport_that_is_shown(qtbot, shown, look, engine):
    dock = shown(SWAP)

    dock.run()
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=8000)

    assert engine.requests[0].passport.checks == (SWAP,)


def test_provenance_has_the_passport_also_if_nobody_looked(unified, study):
    request = _request.Request(
        study=study,
        card=unified,
        targets=("PD",),
        place={},
        contrast_limits={},
        options=RunOptions(),
    )
    made = study["T1"].with_data(study["T1"].data, metadata={"provenance": {"a": 1}})

    written = _request._stamped(request, Result({"PD": made}))

    provenance = written.volumes["PD"].metadata["provenance"]
    assert provenance["a"] == 1
    names = {(c["name"], c["modality"]) for c in provenance["passport"]["checks"]}
    assert ("overlap", "T2") in names
    assert not any(modality == "PD" for _, modality in names)


def test_box_alone_shows_nothing_and_then_a_passport(qtbot):
    box = PassportBox()
    qtbot.addWidget(box)
    assert box.isHidden()

    box.show_passport(Passport((OFF,)))
    box.show_busy("Sources: looking")

    assert box.title == "Sources: looking"
    assert not box.rows[0].isEnabled()
    box.show_nothing()
    assert box.isHidden()


def test_no_torch_is_needed_for_the_display(tmp_path):
    import subprocess

    code = (
        "import sys; from napari_medsynth.widgets import _passport; "
        "from napari_medsynth.trust import passport; "
        "from napari_medsynth.simulate import *; "
        "print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
