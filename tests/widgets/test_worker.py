"""Workers: every end of a generator reaches the GUI thread."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest
from napari.qt.threading import GeneratorWorker
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_medsynth.errors import DeviceMemoryError, EngineError, VolumeError
from napari_medsynth.widgets._worker import let_go, start_worker, tell_error


class Listener(QObject):
    """Writes down what a worker says, and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list = []
        self.threads: set = set()

    def slots(self):
        return {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }

    def _hear(self, *what):
        self.heard.append(what)
        self.threads.add(threading.current_thread())

    def _on_yielded(self, value):
        self._hear("yielded", value)

    def _on_returned(self, value):
        self._hear("returned", value)

    def _on_errored(self, error):
        self._hear("errored", error)

    def _on_finished(self):
        self._hear("finished")

    @property
    def is_done(self):
        return ("finished",) in self.heard


@pytest.fixture
def listener(qapp):
    return Listener()


def test_success_yields_returns_finishes_in_the_gui_thread(qtbot, listener):
    def steps(n):
        yield from range(n)
        return "end"

    start_worker(steps, 2, slots=listener.slots())
    qtbot.waitUntil(lambda: listener.is_done)

    assert listener.heard == [
        ("yielded", 0),
        ("yielded", 1),
        ("returned", "end"),
        ("finished",),
    ]
    assert listener.threads == {threading.main_thread()}


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RuntimeError("shapes differ\nat line 3"), EngineError),
        (DeviceMemoryError("no room"), DeviceMemoryError),
        (ValueError("odd"), ValueError),
        (MemoryError(), MemoryError),
    ],
)
def test_every_error_is_told_and_finishes(qtbot, listener, raised, kind):
    def steps():
        yield 1
        raise raised

    start_worker(steps, slots=listener.slots())
    qtbot.waitUntil(lambda: listener.is_done)

    assert [what[0] for what in listener.heard] == ["yielded", "errored", "finished"]
    assert isinstance(listener.heard[1][1], kind)
    assert not GeneratorWorker._worker_set


def test_an_out_of_memory_error_of_torch_is_told(qtbot, listener):
    torch = pytest.importorskip("torch")

    def steps():
        yield 1
        raise torch.OutOfMemoryError("CUDA out of memory.")

    start_worker(steps, slots=listener.slots())
    qtbot.waitUntil(lambda: listener.is_done)

    error = listener.heard[1][1]
    assert isinstance(error, EngineError)
    assert str(error) == "The model failed: CUDA out of memory."


def test_quit_stops_at_the_next_yield_and_cleans_up_in_the_worker(qtbot, listener):
    cleaned = []
    is_running, may_go_on = threading.Event(), threading.Event()

    def steps():
        try:
            yield 1
            is_running.set()
            may_go_on.wait(5)
            yield 2
            yield 3
        finally:
            cleaned.append(threading.current_thread())

    worker = start_worker(steps, slots=listener.slots())
    is_running.wait(5)
    worker.quit()
    may_go_on.set()
    qtbot.waitUntil(lambda: listener.is_done)

    assert ("yielded", 3) not in listener.heard
    assert len(cleaned) == 1
    assert cleaned[0] is not threading.main_thread()


def test_an_error_raised_on_purpose_is_its_message(caplog):
    with caplog.at_level(logging.ERROR):
        told = tell_error(VolumeError("Open an image first."))

    assert told == "Open an image first."
    assert caplog.records[0].exc_info is not None


def test_a_bug_is_told_and_goes_to_the_notifications_too(monkeypatch):
    received = []
    monkeypatch.setattr(
        notification_manager, "receive_error", lambda *args: received.append(args)
    )
    error = KeyError("lost")

    assert tell_error(error) == "Unexpected KeyError: 'lost'"
    assert received == [(KeyError, error, None)]


ENDS_AT_ONCE = """
import time
from napari._qt.qt_event_loop import get_qapp
from napari_medsynth.widgets._worker import start_worker

def steps():
    print("started", flush=True)
    for _ in range(3):
        time.sleep(0.3)  # a library that is being loaded, a model that is being built
        yield

if __name__ == "__main__":
    application = get_qapp()
    start_worker(steps, slots={})
    time.sleep(0.1)
"""


def test_the_interpreter_ends_after_the_worker_not_under_it(tmp_path):
    """Else Qt deletes the worker's signals first, and the thread ends the process."""
    script = tmp_path / "script.py"
    script.write_text(ENDS_AT_ONCE)

    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60
    )

    assert ended.stdout == "started\n"
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_is_heard_of_a_worker_that_was_let_go(qtbot, listener):
    is_running, may_go_on, has_ended = (threading.Event() for _ in range(3))

    def steps():
        try:
            is_running.set()
            may_go_on.wait(5)
            yield 1
            yield 2
        finally:
            has_ended.set()

    worker = start_worker(steps, slots=listener.slots())
    assert is_running.wait(5)
    let_go(worker)
    may_go_on.set()
    assert has_ended.wait(5)
    qtbot.wait(20)

    assert listener.heard == []
    let_go(worker)
    let_go(None)


def test_a_worker_that_qt_has_deleted_can_be_let_go(qtbot, listener):
    worker = start_worker(_nothing, slots=listener.slots())
    qtbot.waitUntil(lambda: listener.is_done)
    worker.signals.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    with pytest.raises(RuntimeError, match="deleted"):
        worker.finished.disconnect()

    let_go(worker)


def _nothing():
    yield
