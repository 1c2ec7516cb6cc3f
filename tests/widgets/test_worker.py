"""Workers: every end of a generator reaches the GUI thread."""

from __future__ import annotations

import logging
import threading

import pytest
from napari.qt.threading import GeneratorWorker
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject

from napari_medsynth.errors import DeviceMemoryError, EngineError, VolumeError
from napari_medsynth.widgets._worker import start_worker, tell_error


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
