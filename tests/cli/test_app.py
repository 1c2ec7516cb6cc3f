import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_medsynth import __version__


def test_version(medsynth):
    assert medsynth("--version").out == f"medsynth {__version__}\n"


def test_help_names_every_command(medsynth):
    done = medsynth("--help")

    assert done.code == 0
    for command in ("models", "synthesize", "demo", "doctor", "train"):
        assert command in done.out


def test_no_command_is_wrong_usage(medsynth):
    assert medsynth().code == 2


def test_train_prints_the_pack(medsynth, tmp_path, monkeypatch):
    config = tmp_path / "own.toml"
    config.touch()
    calls = []

    def train(path, *, output=None):
        calls.append((path, output))
        return Path("own.safetensors")

    monkeypatch.setattr("napari_medsynth.training.train_from_config", train)

    assert medsynth("train", config).out == "own.safetensors\n"
    assert medsynth("train", config, "-o", "x").code == 0
    assert calls == [(config, None), (config, Path("x"))]


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
