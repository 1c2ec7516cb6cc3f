import os
import signal
import subprocess
import sys
import time

import pytest

from napari_medsynth import __version__
from napari_medsynth.training.events import Done, Note

JOB = """
id = "own"
title = "Own"
output = "own.safetensors"

[network]
inputs = ["T1"]
outputs = ["T2"]

[data]
simulated_share = 1.0
"""


def test_version(medsynth):
    assert medsynth("--version").out == f"medsynth {__version__}\n"


def test_help_names_every_command(medsynth):
    done = medsynth("--help")

    assert done.code == 0
    for command in ("models", "synthesize", "demo", "doctor", "finetune", "train"):
        assert command in done.out


def test_no_command_is_wrong_usage(medsynth):
    assert medsynth().code == 2


def test_train_prints_the_pack(medsynth, tmp_path, monkeypatch):
    config = tmp_path / "own.toml"
    config.write_text(JOB)
    calls = []

    def train_pack(job, target):
        calls.append((job.id, job.devices, target))
        yield Note("One sentence.")
        return Done(str(target), reason)

    monkeypatch.setattr("napari_medsynth.training.scratch.train_pack", train_pack)

    reason = "finished"
    assert medsynth("train", config).out == f"{tmp_path / 'own.safetensors'}\n"
    assert (
        medsynth("train", config, "-o", tmp_path / "x.safetensors", "--devices", 2).code
        == 0
    )
    reason = "stopped"
    done = medsynth("train", config)
    assert (done.code, done.out) == (0, "")
    assert done.err == "One sentence.\nStopped; the same command continues.\n"
    assert calls == [
        ("own", 1, tmp_path / "own.safetensors"),
        ("own", 2, tmp_path / "x.safetensors"),
        ("own", 1, tmp_path / "own.safetensors"),
    ]
    assert (tmp_path / "own.run" / "events.jsonl").is_file()


@pytest.mark.parametrize(
    ("flag", "show"), [([], None), (["--show"], True), (["--no-show"], False)]
)
def test_demo_gives_its_exit_code(medsynth, tmp_path, monkeypatch, flag, show):
    calls = []

    def run_demo(out, *, show):
        calls.append((out, show))
        return 3

    monkeypatch.setattr("napari_medsynth.demo.run_demo", run_demo)

    assert medsynth("demo", "--out", tmp_path, *flag).code == 3
    assert calls == [(tmp_path, show)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_interrupted_process_ends_with_130(tmp_path):
    started = tmp_path / "started"
    code = (
        "import pathlib, time\n"
        "from napari_medsynth.cli import app, main\n"
        "def wait():\n"
        f"    pathlib.Path({str(started)!r}).touch()\n"
        "    time.sleep(60)\n"
        "app.app.command('wait')(wait)\n"
        "main(['wait'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(600):
        if started.exists():
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)

    assert process.wait(timeout=30) == 130
