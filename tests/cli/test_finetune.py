"""``medsynth finetune`` as users and the dock run it: mostly real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsynth.catalogue import read_pack
from napari_medsynth.cli._training_words import duration
from napari_medsynth.io import write_volume
from napari_medsynth.training import DataConfig, TrainConfig, TrainJob

PATIENCE = 120  # s; a process that takes longer hangs
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
LINUX = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")


class Child:
    """A process that fine-tunes, and what it prints."""

    def __init__(self, words: Sequence[object], *, is_json: bool = True) -> None:
        command = [sys.executable, "-m", "napari_medsynth.cli", "finetune"]
        command += [str(word) for word in words] + ["--events"] * is_json
        pipe = subprocess.PIPE
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def wait_for(self, condition: Callable[[Mapping[str, Any]], bool]) -> None:
        """Read events until one fits."""
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if condition(self.events[-1]):
                return
        pytest.fail(f"it never came: {self.events[-1:]}, {self.process.stderr.read()}")

    def say(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def finish(self) -> int:
        """Read what is left, and give the exit code; stdin stays open."""
        self.out, self.err = self.process.stdout.read(), self.process.stderr.read()
        if self.events:
            self.events += [json.loads(line) for line in self.out.splitlines()]
        return self.process.wait(PATIENCE)

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """``start(job_file, "-o", folder)``; what still runs in the end is killed."""
    children: list[Child] = []

    def run(*words: object, is_json: bool = True) -> Child:
        children.append(Child(words, is_json=is_json))
        return children[-1]

    yield run
    for child in children:
        child.process.kill()
        child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout, child.process.stderr):
            pipe.close()


@pytest.fixture
def job(tiny, tmp_path, study) -> TrainJob:
    """Tune the tiny model on ann and cid; bob is held out."""
    studies = []
    for seed, name in enumerate(("ann", "bob", "cid")):
        values = {"subject": name}
        for modality, volume in study.volumes.items():
            path = tmp_path / "subjects" / name / f"{modality}.nii.gz"
            noise = np.random.default_rng(seed).normal(0, 5, volume.data.shape)
            image = np.where(volume.data > 0, volume.data + noise, 0)
            write_volume(volume.with_data(image.astype(np.float32)), path)
            values[modality] = str(path)
        studies.append(values)
    learn = TrainConfig(
        epochs=6,
        steps_per_epoch=4,
        batch_size=2,
        learning_rate=1e-3,
        n_threads=1,
        device="cpu",
        precision="fp32",
    )
    data = DataConfig(studies=tuple(studies), held_out=("bob",))
    base = str(tiny.path)
    return TrainJob(id="own", title="Own", base=base, data=data, learn=learn)


@pytest.fixture
def job_file(job, tmp_path) -> Path:
    return write_job(job, tmp_path / "job.json")


def write_job(job: TrainJob, path: Path) -> Path:
    path.write_text(json.dumps(job.to_json()))
    return path


def endless(job: TrainJob) -> TrainJob:
    """A job that goes on until it is stopped."""
    return replace(job, learn=replace(job.learn, epochs=10_000))


def at_step(number: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda event: event["event"] == "step" and event["step"] >= number


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    return read_pack(folder / "tuned.safetensors").weights()


def state_of(folder: Path) -> dict[str, np.ndarray]:
    """The mean of the weights in a checkpoint."""
    from napari_medsynth.training.checkpoint import load_checkpoint

    mean = load_checkpoint(folder / "checkpoint.pt")["learner"]["mean"]
    return {name: tensor.numpy() for name, tensor in mean.items()}


def assert_same_weights(one: Path, other: Path) -> None:
    for read in (weights_of, state_of):
        first, second = read(one), read(other)
        assert first.keys() == second.keys()
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name], err_msg=name)


def train_here(job: TrainJob, folder: Path, **options: Any) -> None:
    """Train in this process, without a verdict: that would take seconds."""
    from napari_medsynth.training import finetune

    steps = finetune.finetune(job, folder=folder, keep="never", **options)
    for event in steps:
        if type(event).__name__ == "Judging":
            break
    steps.close()


@POSIX
def test_killed_run_continues_to_the_same_weights(start, job, job_file, tmp_path):
    when = random.SystemRandom().randint(5, 20)  # the first checkpoint is at 4
    child = start(job_file, "--output", tmp_path / "killed")
    child.wait_for(at_step(when))
    child.process.kill()
    assert child.finish() == -signal.SIGKILL
    assert state_of(tmp_path / "killed")

    train_here(job, tmp_path / "killed", resume=True)
    train_here(job, tmp_path / "whole")

    assert_same_weights(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.slow
@POSIX
def test_run_that_is_killed_often_ends_with_the_same_weights(
    start, job, job_file, tmp_path
):
    folder, chance = tmp_path / "killed", random.SystemRandom()
    words: tuple[object, ...] = (job_file, "--output", folder)
    for first in (4, 10, 16):
        child = start(*words)
        child.wait_for(at_step(chance.randint(first + 1, first + 5)))
        time.sleep(chance.uniform(0, 0.05))
        child.process.kill()
        child.finish()
        words = (folder, "--resume")
    child = start(*words, "--keep", "never")
    child.wait_for(lambda event: event["event"] == "started")
    assert child.events[-1]["step"] >= 4
    assert child.finish() == 0
    assert child.names()[-2:] == ["judged", "done"]
    train_here(job, tmp_path / "whole")

    assert_same_weights(folder, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a line", "the end of stdin", "nobody reads stdout"])
def test_stopped_run_ends_with_a_checkpoint(start, job, tmp_path, how):
    path = write_job(endless(job), tmp_path / "job.json")
    folder = tmp_path / "run"
    child = start(path, "-o", folder)
    child.wait_for(lambda event: event["event"] == "hello")
    child.wait_for(at_step(6))

    if how == "a line":
        child.say("stop")
        assert child.finish() == 0
        assert child.events[-1]["reason"] == "stopped"
    elif how == "the end of stdin":
        child.process.stdin.close()
        assert child.process.wait(PATIENCE) == 0
    else:
        child.process.stdout.close()
        assert child.process.wait(PATIENCE) == 0
    last = [json.loads(x) for x in (folder / "events.jsonl").read_text().splitlines()]
    assert [last[0]["event"], last[-1]["event"]] == ["hello", "done"]
    n_steps = sum(event["event"] == "step" for event in last)
    from napari_medsynth.training.checkpoint import load_checkpoint

    assert load_checkpoint(folder / "checkpoint.pt")["learner"]["step"] == n_steps
    assert not (folder / "verdict.json").exists()
    assert weights_of(folder)


@pytest.mark.slow
def test_finished_early_is_judged(start, job, tmp_path):
    path = write_job(endless(job), tmp_path / "job.json")
    child = start(path, "-o", tmp_path / "run", "--keep", "always")
    child.wait_for(at_step(5))
    child.say("finish")

    assert child.finish() == 0
    assert child.names()[-2:] == ["judged", "done"]
    assert child.events[-1]["kept"] == "own"


@pytest.mark.slow
@POSIX
def test_interrupt_on_a_terminal_stops_and_says_how_to_resume(start, job, tmp_path):
    path, folder = write_job(endless(job), tmp_path / "job.json"), tmp_path / "run"
    child = start(path, "-o", folder, is_json=False)
    while not (folder / "checkpoint.pt").exists():
        assert child.process.poll() is None
        time.sleep(0.05)
    child.process.send_signal(signal.SIGINT)

    assert child.finish() == 0
    assert "Stopping after this step" in child.err
    assert f"medsynth finetune {folder} --resume" in child.err
    assert child.out == f"{folder}/tuned.safetensors\n"


@pytest.mark.slow
@LINUX
def test_full_disk_is_one_sentence_and_keeps_the_checkpoint(start, job, tmp_path):
    import resource

    path, folder = write_job(endless(job), tmp_path / "job.json"), tmp_path / "run"
    child = start(path, "-o", folder)
    child.wait_for(at_step(5))
    resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (3000, 3000))

    assert child.finish() == 1
    assert child.events[-1]["event"] == "failed"
    assert "free some space" in child.events[-1]["error"]
    assert child.events[-1]["error"] in child.err
    assert "Traceback" not in child.err
    assert state_of(folder)
    assert not list(folder.glob("*.part"))


@pytest.mark.slow
def test_loss_that_is_not_finite_is_one_sentence(start, job, tiny, tmp_path):
    from napari_medsynth.catalogue import write_pack

    weights = {
        name: np.full_like(array, 3e38) if array.dtype == np.float32 else array
        for name, array in tiny.weights().items()
    }
    broken = write_pack(tmp_path / "broken.safetensors", tiny.card, weights)
    job = replace(job, base=str(broken.path))
    child = start(write_job(job, tmp_path / "job.json"), "-o", tmp_path / "run")
    child.wait_for(lambda event: event["event"] == "failed")

    assert child.finish() == 1
    assert "no longer gives finite numbers" in child.events[-1]["error"]
    assert "Traceback" not in child.err


@pytest.mark.slow
def test_two_processes_share_the_work_and_tell_once(start, job, tmp_path):
    path, folder = write_job(job, tmp_path / "job.json"), tmp_path / "run"
    child = start(path, "-o", folder, "--devices", 2, "--keep", "never")
    child.wait_for(lambda event: event["event"] == "started")
    assert child.events[-1]["batch_size"] == 4

    assert child.finish() == 0
    steps = [event["step"] for event in child.events if event["event"] == "step"]
    assert steps == list(range(1, 25))
    assert child.names().count("hello") == 1
    assert child.names()[-1] == "done"


@pytest.mark.slow
def test_two_processes_stop_together(start, job, tmp_path):
    path, folder = write_job(endless(job), tmp_path / "job.json"), tmp_path / "run"
    child = start(path, "-o", folder, "--devices", 2)
    child.wait_for(at_step(5))
    child.say("stop")

    assert child.finish() == 0
    assert child.events[-1]["reason"] == "stopped"


@pytest.mark.slow
def test_log_holds_what_happened(start, job, job_file, tmp_path):
    child = start(job_file, "-o", tmp_path / "run", "--keep", "never")
    child.wait_for(lambda event: event["event"] == "started")
    child.say("stop")

    assert child.finish() == 0
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "2 subjects to learn from, 1 held out" in log
    assert "Done (stopped)." in log
    assert child.err == ""


BAD = {
    "no JSON": ("{", "is no JSON file"),
    "a list": ("[]", "must hold one object"),
    "unknown key": ('{"id": "a", "title": "A", "epoch": 3}', "epoch"),
    "nothing to tune": ('{"id": "a", "title": "A"}', "needs base"),
    "no data": ('{"id": "a", "title": "A", "base": "tiny"}', "needs data"),
    "missing base": (
        '{"id": "a", "title": "A", "base": "none", "data": {"folder": "."}}',
        "No model has the id 'none'",
    ),
    "missing pack": (
        '{"id": "a", "title": "A", "base": "no.safetensors", "data": {"folder": "."}}',
        "no.safetensors does not exist",
    ),
}


@pytest.mark.parametrize("text, sentence", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("flags", [[], ["--events"]], ids=["bar", "events"])
def test_wrong_job_is_one_sentence(medsynth, tiny, tmp_path, text, sentence, flags):
    path = tmp_path / "job.json"
    path.write_text(text)

    done = medsynth("finetune", path, "-o", tmp_path / "run", *flags)

    assert done.code == 1
    assert sentence in done.err
    assert done.err.count("\n") == 1
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["event"] for line in lines] == (["hello", "failed"] if flags else [])
    assert not flags or sentence in lines[-1]["error"]


def test_missing_job_is_one_sentence(medsynth, tmp_path):
    done = medsynth("finetune", tmp_path / "none.json")

    assert done.code == 1
    assert "none.json cannot be read: No such file" in done.err


def test_resume_needs_a_run(medsynth, job_file):
    done = medsynth("finetune", job_file, "--resume")

    assert done.code == 1
    assert "--resume needs the folder of a run" in done.err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.4, "8 s"),
        (89, "89 s"),
        (100, "2 min"),
        (5340, "89 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text
