"""The child process: real processes that end well, fail, crash, hang, or are left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.job import DataConfig, TrainJob
from napari_medsynth.widgets import _process
from napari_medsynth.widgets._event_lines import EventLines, StepThinner
from napari_medsynth.widgets._process import Patience, TrainingProcess, is_leaving
from napari_medsynth.widgets._run_folder import RunFolder

FAKE = Path(__file__).with_name("fake_finetune.py")
SHORT = Patience(idle=1.2, busy=20, stopping=1.2, quitting=5)


@pytest.fixture
def job():
    return TrainJob("new", "New", base="x", data=DataConfig(simulated_share=1))


@pytest.fixture
def begin(qtbot, job, tmp_path):
    """Start a child; give its process, its events and what it ended with."""
    begun = []

    def start(how, *, patience=None, resume=False, folder=tmp_path / "run"):
        process = TrainingProcess(
            (sys.executable, str(FAKE), how), patience=patience or Patience()
        )
        heard, ends = [], []
        process.event_came.connect(heard.append)
        process.ended.connect(lambda *end: ends.append(end))
        process.start(job, folder, resume=resume)
        begun.append((process, heard, ends))
        return begun[-1]

    yield start
    for process, _, _ in begun:
        if process.is_running:
            process.kill()
        qtbot.waitUntil(lambda p=process: not p.is_running)


def wait_for_the_end(qtbot, ends):
    qtbot.waitUntil(lambda: bool(ends), timeout=15_000)
    assert len(ends) == 1
    return ends[0]


def steps_of(heard):
    return [event["step"] for event in heard if event["event"] == "step"]


def test_a_run_to_its_end_tells_everything_in_order(qtbot, begin, job, tmp_path):
    process, heard, ends = begin("normal")
    end = wait_for_the_end(qtbot, ends)

    assert end == ("done", "Training is finished.")
    kinds = [event["event"] for event in heard if event["event"] != "step"]
    assert kinds == ["started", "estimated", "epoch", "epoch", "judged", "done"]
    assert steps_of(heard)[-1] == 6
    folder = RunFolder(tmp_path / "run")
    assert folder.read_job() == job
    assert folder.is_finished
    assert not folder.is_owned
    assert not process.is_running


def test_the_child_is_polite_and_its_folder_is_taken(qtbot, begin, tmp_path):
    process, heard, ends = begin("long")
    qtbot.waitUntil(lambda: bool(heard))
    pid = process._child.processId()

    assert RunFolder(tmp_path / "run").is_owned
    if not psutil.WINDOWS:
        assert psutil.Process(pid).nice() == psutil.Process().nice() + 5
    process.stop()
    wait_for_the_end(qtbot, ends)
    assert not RunFolder(tmp_path / "run").is_owned


def test_stop_ends_with_a_checkpoint(qtbot, begin, tmp_path):
    process, heard, ends = begin("long")
    qtbot.waitUntil(lambda: bool(steps_of(heard)))

    process.stop()
    process.stop()  # a second click changes nothing

    outcome, sentence = wait_for_the_end(qtbot, ends)
    assert outcome == "stopped"
    assert sentence.startswith("Training was stopped")
    assert RunFolder(tmp_path / "run").has_checkpoint
    assert steps_of(heard)[-1] < 2000


def test_finish_ends_training_early_with_a_verdict(qtbot, begin):
    process, heard, ends = begin("long")
    qtbot.waitUntil(lambda: bool(steps_of(heard)))

    process.finish()

    assert wait_for_the_end(qtbot, ends)[0] == "stopped"
    assert [event["event"] for event in heard][-2:] == ["judged", "done"]


def test_resume_goes_on_where_it_was(qtbot, begin, tmp_path):
    process, heard, ends = begin("long")
    qtbot.waitUntil(lambda: bool(steps_of(heard)))
    process.stop()
    wait_for_the_end(qtbot, ends)
    reached = steps_of(heard)[-1]

    process, heard, ends = begin("long", resume=True)
    qtbot.waitUntil(lambda: bool(steps_of(heard)))
    assert heard[0]["step"] == reached
    process.kill()
    assert wait_for_the_end(qtbot, ends)[0] == "stopped"


def test_out_of_memory_is_the_sentence_of_the_child(qtbot, begin):
    _, _, ends = begin("memory")
    end = wait_for_the_end(qtbot, ends)
    assert end == ("failed", "One slice needs more memory than there is.")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_crash_is_one_sentence_that_offers_the_checkpoint(qtbot, begin, tmp_path):
    _, heard, ends = begin("crash")
    assert wait_for_the_end(qtbot, ends) == (
        "crashed",
        "The training process crashed (SIGSEGV): Resume continues from its last "
        "checkpoint.",
    )
    assert steps_of(heard)[-1] == 4  # what it had said is not lost
    assert "Fatal Python error" in (tmp_path / "run" / "log.txt").read_text()


def test_an_unexplained_exit_shows_the_last_line_of_the_log(qtbot, begin):
    _, _, ends = begin("exit")
    outcome, sentence = wait_for_the_end(qtbot, ends)
    assert outcome == "crashed"
    assert "ended with code 3 (Traceback: it broke)" in sentence


def test_a_program_that_is_not_there_is_one_sentence(qtbot, job, tmp_path):
    process = TrainingProcess((str(tmp_path / "nothing"),))
    with qtbot.waitSignal(process.ended, timeout=5000) as ended:
        process.start(job, tmp_path / "run")
    outcome, sentence = ended.args
    assert outcome == "crashed"
    assert sentence.startswith("The training process could not be started")
    assert sentence.endswith("before its first checkpoint: start again.")


def test_a_hung_child_is_ended(qtbot, begin):
    process, heard, ends = begin("hang", patience=SHORT)
    outcome, sentence = wait_for_the_end(qtbot, ends)
    assert outcome == "hung"
    assert sentence.startswith("The training process said nothing for ")
    assert steps_of(heard)[-1] == 4
    assert not process.is_running


def test_a_child_that_does_not_stop_is_ended(qtbot, begin):
    process, heard, ends = begin("deaf", patience=Patience(stopping=1.2))
    qtbot.waitUntil(lambda: 4 in steps_of(heard), timeout=5000)
    process.stop()
    assert wait_for_the_end(qtbot, ends)[0] == "hung"


def test_a_child_that_computes_is_no_hung_child(qtbot, job, tmp_path):
    script = tmp_path / "busy.py"
    script.write_text(
        "import sys, time\nend = time.monotonic() + 2.5\n"
        "while time.monotonic() < end: sum(range(1000))\n"
        'print(\'{"event": "done", "reason": "finished"}\')\n'
    )
    process = TrainingProcess((sys.executable, str(script)), patience=SHORT)
    with qtbot.waitSignal(process.ended, timeout=10_000) as ended:
        process.start(job, tmp_path / "run")
    assert ended.args[0] == "done"


def test_lines_that_are_no_events_are_ignored_and_logged(qtbot, begin, caplog):
    _, heard, ends = begin("noise")
    assert wait_for_the_end(qtbot, ends)[0] == "done"
    assert steps_of(heard)[-1] == 6
    assert any("printed no event" in message for message in caplog.messages)


def test_a_folder_that_cannot_be_written_is_one_sentence(job, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VolumeError, match="cannot be written"):
        TrainingProcess().start(job, tmp_path / "file" / "run")


def test_an_abandoned_child_stops_with_a_checkpoint(qtbot, begin, tmp_path):
    process, heard, ends = begin("long")
    qtbot.waitUntil(lambda: bool(steps_of(heard)))
    pid = process._child.processId()

    process.abandon()
    assert is_leaving(tmp_path / "run")
    n_heard = len(heard)
    qtbot.waitUntil(lambda: not is_leaving(tmp_path / "run"))

    assert (len(heard), ends) == (n_heard, [])
    assert not psutil.pid_exists(pid)  # also no zombie
    assert RunFolder(tmp_path / "run").last("done")["reason"] == "stopped"
    assert not _process._leaving


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_the_real_command_speaks_and_obeys(qtbot, tmp_path):
    job = TrainJob(
        "new",
        "New",
        base="resvit-starter",
        data=DataConfig(simulated_share=1, n_anatomies=1),
        learn=TrainConfig(epochs=2, steps_per_epoch=200, batch_size=1, patch_size=32),
    )
    for act, outcome in (
        (lambda process: process.stop(), "stopped"),
        (
            lambda process: os.kill(process._child.processId(), signal.SIGSEGV),
            "crashed",
        ),
        (lambda process: process.abandon(), None),
    ):
        process, heard, ends = TrainingProcess(), [], []
        process.event_came.connect(heard.append)
        process.ended.connect(lambda *end, ends=ends: ends.append(end))
        process.start(job, tmp_path / "run", resume=outcome != "stopped")
        pid = process._child.processId()
        qtbot.waitUntil(lambda h=heard: bool(steps_of(h)), timeout=120_000)
        act(process)
        qtbot.waitUntil(lambda p=process: p._is_over, timeout=60_000)

        assert [end[0] for end in ends] == ([outcome] if outcome else [])
        assert RunFolder(tmp_path / "run").has_checkpoint
        assert not psutil.pid_exists(pid)
    first = next(event for event in heard if event["event"] == "started")
    assert first["step"] > 0  # it was continued
    assert RunFolder(tmp_path / "run").last("done")["reason"] == "stopped"


QUITTING = """
import sys
from pathlib import Path
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from napari_medsynth.training.job import DataConfig, TrainJob
from napari_medsynth.widgets._process import Patience, TrainingProcess

folder, how, quitting = sys.argv[1:4]
application = QApplication([])
process = TrainingProcess(
    (sys.executable, sys.argv[4], how), patience=Patience(quitting=float(quitting))
)
job = TrainJob("new", "New", base="x", data=DataConfig(simulated_share=1))
process.start(job, Path(folder))
timer = QTimer()
timer.timeout.connect(lambda: (Path(folder) / "checkpoint.pt").exists() and
                      (print(process._child.processId()), loop.quit()))
timer.start(20)
loop = application if sys.argv[5] == "application" else QEventLoop()
loop.exec()
"""


@pytest.mark.parametrize(
    ("quitting", "loop"),
    [(5, "application"), (0.001, "application"), (5, "script")],
    ids=["waits", "leaves it alone", "a script ends"],
)
def test_quitting_lets_the_child_write_its_checkpoint(quitting, loop, tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        QUITTING,
        folder,
        "long",
        str(quitting),
        FAKE,
        loop,
    ]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    ran = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )

    pid = int(ran.stdout.split()[0])
    assert ran.stderr == ""
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert RunFolder(folder).last("done")["reason"] == "stopped"


def test_lines_are_cut_wherever_the_pipe_cut_them():
    lines = EventLines()
    for part in (b'{"event": "a', b'"}\n\n{"event"', b': "b"}\nrest', b""):
        lines.feed(part)
    lines.feed(b"", is_last=True)

    taken = [lines.take() for _ in range(len(lines))]
    assert taken == [{"event": "a"}, {"event": "b"}, None]


def test_steps_are_thinned_to_four_a_second_with_their_mean(qtbot):
    thinner, heard = StepThinner(), []
    thinner.event_came.connect(heard.append)
    for step in range(1, 6):
        losses = {"total": float(step)}
        thinner.add({"event": "step", "step": step, "losses": losses})
    assert [event["step"] for event in heard] == [1]

    thinner.add({"event": "epoch"})  # nothing overtakes

    assert [event["event"] for event in heard] == ["step", "step", "epoch"]
    assert heard[1]["step"] == 5
    assert heard[1]["losses"] == {"total": (2 + 3 + 4 + 5) / 4}


def test_what_was_held_back_comes_by_itself(qtbot):
    thinner, heard = StepThinner(), []
    thinner.event_came.connect(heard.append)
    for step in (1, 2):
        thinner.add({"event": "step", "step": step, "losses": {}})
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=1000)


def test_a_flood_of_lines_is_heard_in_many_turns(qtbot):
    process, heard = TrainingProcess(), []
    process._thinner.event_came.connect(heard.append)
    process._lines.feed(b'{"event": "step", "step": 1, "losses": {}}\n' * 100_000)

    process._on_turn()

    assert 0 < len(process._lines) < 100_000  # the user comes first
    process._thinner.flush()
    assert len(heard) == 2
