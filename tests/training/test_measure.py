"""Batch size and time estimate."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from napari_medsynth.cli.app import app
from napari_medsynth.errors import DeviceMemoryError
from napari_medsynth.training import checkpoint as checkpoints
from napari_medsynth.training import measure
from napari_medsynth.training.events import Note, Started, Step
from napari_medsynth.training.measure import MAX_BATCH, Trial, estimate


def timed(monkeypatch, seconds):
    """Let a step with a batch of n take ``seconds(n)``, and count who asks."""
    asked = []

    def fake(self, size):
        asked.append(size)
        return seconds(size)

    monkeypatch.setattr(Trial, "seconds", fake)
    return asked


@pytest.fixture
def auto(simulated_job):
    """A job whose batch size is measured."""
    return replace(simulated_job, learn=replace(simulated_job.learn, batch_size=0))


def size_of(job, run_job, **options):
    events, _ = run_job(job, **options)
    return next(e.batch_size for e in events if isinstance(e, Started))


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        (lambda n: n, 1),  # no gain
        (lambda n: 10 + n, MAX_BATCH),
        (lambda n: 1 + n if n <= 4 else 9 * n, 4),
        (lambda n: n**0.95, 1),  # a gain of 4 % is not worth it
    ],
)
def test_the_batch_is_doubled_while_that_pays(
    auto, run_job, monkeypatch, seconds, best
):
    timed(monkeypatch, seconds)

    assert size_of(auto, run_job, stop_at=1) == best


def test_memory_bounds_the_batch(auto, run_job, monkeypatch):
    def seconds(size):
        if size > 4:
            raise RuntimeError("CUDA out of memory")
        return 1.0

    timed(monkeypatch, seconds)
    assert size_of(auto, run_job, stop_at=1) == 4

    timed(monkeypatch, lambda size: 1.0)
    monkeypatch.setattr(measure, "_memory_free", lambda device: -1.0)
    assert size_of(auto, run_job, stop_at=1) == 1


def test_not_even_one_slice(auto, run_job, monkeypatch):
    def seconds(size):
        raise MemoryError

    timed(monkeypatch, seconds)
    with pytest.raises(DeviceMemoryError, match="not enough memory"):
        run_job(auto)


def test_few_slices_are_not_learnt_in_few_steps(job, run_job, monkeypatch):
    asked = timed(monkeypatch, lambda size: 1.0)
    learn = replace(job.learn, batch_size=0, steps_per_epoch=0)

    assert size_of(replace(job, learn=learn), run_job, stop_at=1) == 1
    assert asked == [1]  # 6 slices


def test_the_measured_size_is_told_and_kept_by_a_resumed_run(
    auto, run_job, tmp_path, monkeypatch
):
    asked = timed(monkeypatch, lambda n: 1 + n if n <= 2 else 9 * n)
    events, _ = run_job(auto, stop_at=1)
    assert any("A batch of 2" in e.text for e in events if isinstance(e, Note))

    timed(monkeypatch, lambda n: 1.0)
    assert size_of(auto, run_job, resume=True) == 2
    assert asked == [1, 2, 4]
    path = tmp_path / "run" / "checkpoint.pt"
    assert checkpoints.load_checkpoint(path)["batch_size"] == 2


def test_measuring_does_not_change_what_is_learnt(auto, run_job, tmp_path):
    def weights(name):
        state = checkpoints.load_checkpoint(tmp_path / name / "checkpoint.pt")
        return state["learner"]["objective"]["generator"]

    size = size_of(auto, run_job, folder=tmp_path / "measured")
    fixed = replace(auto, learn=replace(auto.learn, batch_size=size))
    run_job(fixed, folder=tmp_path / "fixed")

    one, other = weights("measured"), weights("fixed")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_estimate_is_a_few_steps_and_writes_nothing(job, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    learn = replace(job.learn, epochs=10, steps_per_epoch=100)

    found = estimate(replace(job, learn=learn))

    assert (found.n_epochs, found.steps_per_epoch, found.batch_size) == (10, 100, 2)
    epoch = 100 * found.seconds_per_step + found.seconds_per_epoch_end
    assert found.seconds == pytest.approx(10 * epoch)
    assert found.seconds_of(3) == pytest.approx(3 * epoch)
    assert found.seconds_per_epoch_end > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_an_estimate_counts_the_slices_of_all_subjects(job, write_subject):
    studies = [write_subject(f"s{n}") for n in range(6)]
    data = replace(job.data, studies=(*studies, *job.data.studies))
    learn = replace(job.learn, steps_per_epoch=0)

    found = estimate(replace(job, data=data, learn=learn))

    assert found.steps_per_epoch == 7 * 3  # subjects, batches of 2 of 6 slices


def test_an_estimate_is_near_to_what_a_run_takes(job, run_job):
    learn = replace(job.learn, epochs=1, steps_per_epoch=20)
    job = replace(job, learn=learn)

    found = estimate(job)
    events, _ = run_job(job)

    steps = [event for event in events if isinstance(event, Step)]
    took = (steps[-1].seconds - steps[0].seconds) / 19
    assert 0.2 < found.seconds_per_step / took < 5


def test_the_command_line_tells_an_estimate(job, tmp_path):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job.to_json()))

    ended = CliRunner().invoke(app, ["finetune", str(path), "--estimate"])

    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["event"], told["n_epochs"], told["batch_size"]) == ("estimated", 2, 2)
    assert told["seconds"] > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job.json", "subjects"]
