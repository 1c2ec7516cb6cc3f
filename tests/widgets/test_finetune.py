"""The Fine-tune dock: its page, its memory, and its life in a real window."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QWidget

from napari_medsynth.catalogue import user_folder
from napari_medsynth.widgets import _process, finetune
from napari_medsynth.widgets._preferences import keep
from napari_medsynth.widgets._run_folder import RunFolder
from widgets.finetune_dock import FAKE, finetune_dock, give_subjects, train_as


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch):
    class Fake:
        def apply_home(self):
            return False

    monkeypatch.setattr(finetune, "Preferences", Fake)


@pytest.fixture
def dock(viewer, qtbot):
    dock = finetune_dock(viewer)
    qtbot.addWidget(dock)
    return dock


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_four_steps_stand_below_each_other(dock, qtbot):
    dock.resize(420, 1400)
    dock.show()
    qtbot.wait(50)
    boxes = (dock.cohort_box, dock.learn_box, dock.watch_box, dock.verdict_box)
    heights = [box.mapTo(dock, QPoint(0, 0)).y() for box in boxes]
    assert heights == sorted(heights)
    assert len(set(heights)) == 4
    dock.hide()


def test_the_choice_is_remembered(dock, viewer, qtbot):
    dock.learn_box.preset_combo.setCurrentText("thorough")
    dock.learn_box.preset_combo.textActivated.emit("thorough")
    epochs = dock.learn_box.config().epochs

    again = finetune.FinetuneWidget(viewer)
    qtbot.addWidget(again)

    assert again.learn_box.preset_combo.currentText() == "thorough"
    assert again.learn_box.config().epochs == epochs


@pytest.mark.parametrize(
    "values",
    [
        {"cohort": 3, "learn": [], "run": 7},
        {"cohort": {"folder": 3}, "learn": {"config": {"epochs": "many"}}},
        {"run": "/nothing/here"},
    ],
)
def test_damaged_memory_changes_nothing(values, viewer, qtbot):
    keep("finetune", values)
    dock = finetune_dock(viewer)
    qtbot.addWidget(dock)
    assert dock.learn_box.base() == "fake-unified"
    assert dock.watch_box.start_button.isEnabled()
    assert dock.training.folder is None


def test_the_model_decides_which_contrasts_count(dock, cards):
    cards[1] = replace(cards[1], sha256="cd" * 32)
    dock.learn_box.model_box.refresh()
    assert dock.cohort_box._card == dock.learn_box.card
    dock.learn_box.model_box.choose("fake-ct")
    assert dock.cohort_box._card.id == "fake-ct"


def test_everything_has_a_tool_tip(dock):
    """All that can be set or clicked says what it does."""
    kinds = (QAbstractButton, QComboBox, QLineEdit)
    controls = [w for kind in kinds for w in dock.findChildren(kind)]
    without = [
        w
        for w in controls
        if not w.toolTip() and not _is_part_of_another(w) and w.parentWidget()
    ]
    assert without == []
    assert len(controls) > 10


def _is_part_of_another(widget: QWidget) -> bool:
    """Whether Qt put it into a bigger control: the line of a spin box, say."""
    parent = widget.parentWidget()
    return bool(widget.objectName().startswith("qt_")) or bool(
        parent is not None and parent.toolTip()
    )


def test_it_opens_at_once_and_without_torch(tmp_path):
    code = (
        "import sys, time\n"
        "from qtpy.QtWidgets import QApplication\n"
        "from napari.components import ViewerModel\n"
        "application = QApplication([])\n"
        "from napari_medsynth.widgets.synthesize import SynthesizeWidget\n"
        "start = time.perf_counter()\n"
        "from napari_medsynth.widgets.finetune import FinetuneWidget\n"
        "dock = FinetuneWidget(ViewerModel())\n"
        "took = time.perf_counter() - start\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'pyqtgraph' not in sys.modules\n"
        "print(took)\n"
    )
    environment = {
        **os.environ,
        "MEDSYNTH_HOME": str(tmp_path),
        "QT_QPA_PLATFORM": "offscreen",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert float(ran.stdout) < 2  # see benchmarks/responsiveness.py for the real one


pytest_gl = pytest.mark.gl


@pytest.fixture
def window(make_napari_viewer_proxy, add, qtbot):
    """A shown viewer with two images, and the dock."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1366, 768)
    add(viewer, "T1", "T2")
    dock = finetune.FinetuneWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Fine-tune")
    qtbot.waitUntil(dock.watch_box.start_button.isVisible)
    dock.settle()
    give_subjects(dock)
    qtbot.wait(100)
    return viewer, dock


def start(window, qtbot, how="long"):
    viewer, dock = window
    train_as(dock, how)
    click(dock.watch_box.start_button)
    qtbot.waitUntil(lambda: "step" in dock.watch_box._events, timeout=10_000)
    (folder,) = (user_folder() / "runs").iterdir()
    return viewer, dock, RunFolder(folder)


def wait_until_left(qtbot):
    qtbot.waitUntil(lambda: not _process._leaving, timeout=20_000)


@pytest_gl
def test_a_run_by_clicks_leaves_the_viewer_usable(window, qtbot):
    viewer, dock, _ = start(window, qtbot)
    viewer.dims.set_current_step(0, 2)
    viewer.layers["T1"].visible = False
    qtbot.wait(50)
    assert dock.is_busy

    click(dock.watch_box.keep_button)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=10_000)

    assert dock.verdict_box.sentence_label.text() == "It is better."


@pytest_gl
def test_removing_the_dock_while_it_trains(window, qtbot):
    viewer, dock, folder = start(window, qtbot)
    pid = dock.training._process._child.processId()

    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    del dock
    window = None
    qtbot.wait(50)
    gc.collect()
    wait_until_left(qtbot)

    assert not psutil.pid_exists(pid)
    assert folder.last("done")["reason"] == "stopped"
    viewer.dims.set_current_step(0, 1)


@pytest_gl
def test_closing_the_viewer_while_it_trains(window, qtbot):
    viewer, dock, folder = start(window, qtbot)
    pid = dock.training._process._child.processId()

    viewer.close()
    qtbot.waitUntil(lambda: not psutil.pid_exists(pid), timeout=20_000)

    assert folder.last("done")["reason"] == "stopped"


QUITTING = """
import sys
from pathlib import Path
import napari
from napari.qt import get_qapp
from qtpy.QtCore import QTimer
sys.path.insert(0, sys.argv[1])
from widgets.finetune_dock import finetune_dock, train_as

viewer = napari.Viewer(show=True)
dock = finetune_dock(viewer)
viewer.window.add_dock_widget(dock, name="Fine-tune")
train_as(dock, "long")
dock.training.start()
def look():
    if "step" in dock.watch_box._events:
        timer.stop()
        print(dock.training._process._child.processId(), dock.training.folder.path)
        viewer.window._qt_window.close()
timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
napari.run()
"""


@pytest_gl
def test_quitting_napari_while_it_trains(tmp_path):
    environment = {
        **os.environ,
        "MEDSYNTH_HOME": str(tmp_path / "home"),
        "NAPARI_CONFIG": str(tmp_path / "napari.yaml"),
    }
    code = [sys.executable, "-c", QUITTING, str(FAKE.parents[1])]
    ran = subprocess.run(
        code, capture_output=True, text=True, timeout=120, env=environment
    )

    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    pid, folder = ran.stdout.split(maxsplit=1)
    end = time.monotonic() + 10
    while psutil.pid_exists(int(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(pid))
    run = RunFolder(Path(folder.strip()))
    assert run.has_checkpoint
    assert run.last("done")["reason"] == "stopped"
