"""The loop: learns, repeats, resumes, stops, and says what went wrong."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_medsynth.catalogue import read_pack
from napari_medsynth.errors import (
    DeviceMemoryError,
    EngineError,
    VolumeError,
    WeightsError,
)
from napari_medsynth.training import checkpoint as checkpoints
from napari_medsynth.training import loop, train
from napari_medsynth.training.data.cache import SHARED
from napari_medsynth.training.events import Epoch, Estimated, Note, Started, Step
from napari_medsynth.training.job import job_from_json
from napari_medsynth.training.learner import Learner


def learning(job, **changes):
    return replace(job, learn=replace(job.learn, **changes))


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def weights_in(folder):
    state = checkpoints.load_checkpoint(folder / "checkpoint.pt")["learner"]
    flat = {f"mean.{name}": value for name, value in state["mean"].items()}
    return flat | state["objective"]["generator"]


def are_equal(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_tells_every_step_and_epoch_and_writes_a_pack(job, run_job, tmp_path):
    events, done = run_job(job)

    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Started", "Epoch", *(2 * ["Step", "Step", "Epoch"])]
    started = events[0]
    assert (started.n_steps, started.n_train, started.n_held_out) == (4, 1, 1)
    assert (started.batch_size, started.precision) == (2, "fp32")
    assert [e.step for e in of_kind(events, Step)] == [1, 2, 3, 4]
    assert [e.epoch for e in of_kind(events, Epoch)] == [0, 1, 2]
    steps = of_kind(events, Step)
    mean = np.mean([step.losses["total"] for step in steps[2:]])
    assert of_kind(events, Epoch)[2].train["total"] == pytest.approx(mean)
    assert done.reason == "finished"
    pack = read_pack(done.pack)
    assert pack.card.id == "tiny"
    assert pack.card.training["steps"] in (2, 4)
    assert pack.weights()["decoder_3.1.bias"].dtype == "float16"
    assert not list((tmp_path / "run").glob("*.part"))


def test_the_preview_shows_the_held_out_subject_before_and_now(job, run_job):
    events, _ = run_job(learning(job, learning_rate=1e-2, ema=0.0))

    with np.load(of_kind(events, Epoch)[-1].preview) as preview:
        shown = dict(preview)
    assert str(shown["subject"]) == "bob"
    assert shown["source"].shape == shown["truth"].shape == (30, 26)
    assert shown["truth"].max() > 0.5
    assert np.abs(shown["now"] - shown["before"]).max() > 1e-3


def test_equal_seeds_give_equal_weights(job, run_job, tmp_path):
    job = learning(job, epochs=1)
    run_job(job, folder=tmp_path / "one")
    run_job(job, folder=tmp_path / "again")
    run_job(learning(job, seed=1), folder=tmp_path / "other")

    one, again, other = (weights_in(tmp_path / n) for n in ("one", "again", "other"))
    assert are_equal(one, again)
    assert not are_equal(one, other)


def test_training_lowers_the_loss(simulated_job, run_job):
    job = learning(simulated_job, epochs=1, steps_per_epoch=40, learning_rate=3e-3)

    events, _ = run_job(job)

    losses = [step.losses["l1"] for step in of_kind(events, Step)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.fixture
def random_job(job):
    """Dropout, and a mean of the weights: all that could be forgotten."""
    options = {**job.network.options, "dropout": 0.2}
    job = replace(job, network=replace(job.network, options=options))
    return learning(job, epochs=2, steps_per_epoch=3, ema=0.9)


@pytest.mark.parametrize("stop_at", [1, 3, 4])
def test_a_stopped_run_ends_with_the_weights_of_a_whole_one(
    random_job, run_job, tmp_path, stop_at
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    events, _ = run_job(random_job, folder=whole)
    first, done = run_job(random_job, folder=parts, stop_at=stop_at)
    assert done.reason == "stopped"
    assert of_kind(first, Step)[-1].step == stop_at

    second, done = run_job(random_job, folder=parts, resume=True)

    assert done.reason == "finished"
    assert of_kind(second, Started)[0].step == stop_at
    assert are_equal(weights_in(whole), weights_in(parts))
    packs = [read_pack(f / "tuned.safetensors").card.sha256 for f in (whole, parts)]
    assert packs[0] == packs[1]
    ends = [of_kind(e, Epoch)[-1] for e in (events, second)]
    assert ends[0].train == ends[1].train
    assert ends[0].validation == ends[1].validation
    assert ends[0].is_best == ends[1].is_best


def test_a_run_that_was_killed_loses_only_the_steps_since_the_checkpoint(
    random_job, run_job, tmp_path
):
    job, parts = learning(random_job, checkpoint_every=2), tmp_path / "parts"
    steps = train(job, folder=parts)
    while not (isinstance(event := next(steps), Step) and event.step == 5):
        pass
    steps.close()  # neither saves nor says anything

    second, _ = run_job(job, folder=parts, resume=True)

    assert of_kind(second, Started)[0].step == 4
    run_job(job, folder=tmp_path / "whole")
    assert are_equal(weights_in(tmp_path / "whole"), weights_in(parts))


def test_more_epochs_may_be_asked_of_a_finished_run(job, run_job):
    run_job(job)

    events, done = run_job(learning(job, epochs=3, patience=9), resume=True)

    assert [step.step for step in of_kind(events, Step)] == [5, 6]
    assert done.reason == "finished"
    again, _ = run_job(learning(job, epochs=3), resume=True)
    assert not of_kind(again, Step)


def test_a_checkpoint_of_other_settings_is_refused_by_name(job, run_job, write_subject):
    run_job(learning(job, epochs=1))
    with pytest.raises(WeightsError, match=r"learn\.seed = 0, the job says 9"):
        run_job(learning(job, seed=9), resume=True)
    with pytest.raises(WeightsError, match=r"learn\.lora_rank.* \(and 1 more\)"):
        run_job(learning(job, lora_rank=9, warmup_steps=9), resume=True)
    write_subject("ann", shape=(16, 30, 26))
    SHARED.clear()  # as a new process would find it
    with pytest.raises(WeightsError, match="no longer those of the checkpoint"):
        run_job(learning(job, epochs=1), resume=True)


def test_a_stop_before_the_first_step_leaves_a_checkpoint(job, tmp_path):
    steps = train(job, folder=tmp_path)
    next(steps)
    steps.send("stop")  # gives epoch 0
    with pytest.raises(StopIteration) as finished:
        next(steps)

    assert finished.value.value.reason == "stopped"
    assert (
        checkpoints.load_checkpoint(tmp_path / "checkpoint.pt")["learner"]["step"] == 0
    )


def test_patience_ends_a_run_that_gets_no_better(job, run_job, monkeypatch):
    from napari_medsynth.training.watch import Watch

    values = iter([5.0, 3.0, 4.0, 3.5, 1.0])
    monkeypatch.setattr(Watch, "measure", lambda *_: {"mae": next(values)})

    events, done = run_job(learning(job, epochs=9, patience=2))

    assert done.reason == "patience"
    assert [e.is_best for e in of_kind(events, Epoch)] == [False, True, False, False]
    assert read_pack(done.pack).card.training["steps"] == 2  # the best, not the last


def test_a_stop_without_held_out_subjects_keeps_the_last_weights(
    simulated_job, run_job
):
    _, done = run_job(learning(simulated_job, epochs=3), stop_at=3)

    assert read_pack(done.pack).card.training["steps"] == 3


def test_how_long_it_takes_is_told_after_the_first_steps(simulated_job, run_job):
    events, _ = run_job(learning(simulated_job, steps_per_epoch=4))

    assert [type(event).__name__ for event in events].count("Estimated") == 1
    estimated = of_kind(events, Estimated)[0]
    assert type(events[events.index(estimated) - 1]) is Step
    assert events[events.index(estimated) - 1].step == 5
    assert (
        0
        < estimated.seconds
        == pytest.approx(
            3 * estimated.seconds_per_step + estimated.seconds_per_epoch_end, rel=0.01
        )
    )
    assert estimated.seconds_of(2) > estimated.seconds_of(1) > 0


def broken_update(monkeypatch, error, *, at_step=2):
    """Let `Learner.update` fail once `at_step` updates are done."""
    update = Learner.update

    def failing(self, batch, rate):
        if self.step >= at_step:
            raise error
        return update(self, batch, rate)

    monkeypatch.setattr(Learner, "update", failing)


def test_a_lost_gpu_ends_the_run_in_a_sentence(job, run_job, tmp_path, monkeypatch):
    error = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors")
    broken_update(monkeypatch, error)

    with pytest.raises(EngineError, match=r"after 2 steps \(CUDA error: .*failure\)"):
        run_job(job)

    assert weights_in(tmp_path / "run")  # the last good checkpoint


def test_a_gpu_lost_while_looking_ends_the_run_in_a_sentence(job, run_job, monkeypatch):
    from napari_medsynth.training.watch import Watch

    def lost(*_):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(Watch, "measure", lost)

    with pytest.raises(EngineError, match="device-side assert"):
        run_job(job)


def test_a_loss_that_is_not_finite_is_said_in_a_sentence(job, run_job, monkeypatch):
    from napari_medsynth.training.objectives.supervised import Supervised

    nan = {"total": torch.tensor(float("nan"))}
    monkeypatch.setattr(Supervised, "step", lambda *_: nan)

    with pytest.raises(EngineError, match="total loss is nan after 1 steps"):
        run_job(job)


def test_spoilt_weights_are_not_saved(job, run_job, tmp_path, monkeypatch):
    from napari_medsynth.training.objectives.supervised import Supervised

    step = Supervised.step

    def spoiling(self, batch):
        losses = step(self, batch)
        if spoiling.n == 3:  # finite loss, infinite gradient, at the end of an epoch
            next(self.generator.parameters()).data.fill_(float("inf"))
        spoiling.n += 1
        return losses

    spoiling.n = 0
    monkeypatch.setattr(Supervised, "step", spoiling)

    with pytest.raises(EngineError, match="not finite after 4 steps"):
        run_job(job)

    state = checkpoints.load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["learner"]["step"] == 2
    assert all(bool(w.isfinite().all()) for w in weights_in(tmp_path / "run").values())


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    job, run_job, tmp_path, monkeypatch
):
    run_job(learning(job, epochs=1))
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(EngineError, match=r"No space left.*free some space and resume"):
        run_job(job, resume=True)

    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before
    assert not list((tmp_path / "run").glob("checkpoint*.part"))


def test_too_little_memory_splits_the_batch_to_the_same_result(
    job, run_job, tmp_path, monkeypatch
):
    from napari_medsynth.training.objectives.supervised import Supervised

    job = learning(job, batch_size=4, epochs=1)
    run_job(job, folder=tmp_path / "roomy")
    step = Supervised.step

    def short(self, batch):
        if self.n_parts < 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return step(self, batch)

    monkeypatch.setattr(Supervised, "step", short)
    events, _ = run_job(job, folder=tmp_path / "tight")

    notes = [note.text for note in of_kind(events, Note)]
    assert [text.split()[-2] for text in notes] == ["2", "4"]
    roomy, tight = (weights_in(tmp_path / name) for name in ("roomy", "tight"))
    for name, value in roomy.items():
        torch.testing.assert_close(value, tight[name], rtol=1e-3, atol=2e-5)
    state = checkpoints.load_checkpoint(tmp_path / "tight" / "checkpoint.pt")
    assert state["learner"]["n_parts"] == 4  # a resumed run need not find out again


def test_a_slice_that_does_not_fit_ends_the_run(job, run_job, monkeypatch):
    broken_update(monkeypatch, MemoryError(), at_step=0)

    with pytest.raises(DeviceMemoryError, match="needs more memory"):
        run_job(job)


def test_a_subject_that_teaches_nothing_is_left_out_by_name(
    job, run_job, write_subject
):
    studies = (*job.data.studies, write_subject("eve", ["T1"]))
    data = replace(job.data, studies=studies)

    events, _ = run_job(learning(replace(job, data=data), epochs=1))

    assert [note.text for note in of_kind(events, Note)] == [
        "eve is left out: it has only T1."
    ]
    eve = write_subject("eve", ["T1", "FLAIR"])
    alone = replace(job, targets=("T2",), data=replace(data, studies=(eve,)))
    with pytest.raises(VolumeError, match=r"learnt \(T2\).*eve has T1, FLAIR"):
        run_job(alone)


def test_subjects_without_some_contrast_are_trained_on(job, run_job, write_subject):
    studies = (write_subject("eve", ["T1", "FLAIR"]), *job.data.studies)
    data = replace(job.data, studies=studies)

    events, done = run_job(learning(replace(job, data=data), steps_per_epoch=0))

    assert done.reason == "finished"
    assert of_kind(events, Started)[0].n_slices > 6


def test_a_base_is_tuned_from_its_own_weights(tuning_job, base, run_job):
    events, done = run_job(learning(tuning_job, learning_rate=1e-9, epochs=1))

    card, weights = read_pack(done.pack).card, read_pack(done.pack).weights()
    assert card.training["parent"] == base.card.sha256
    for name, array in base.weights().items():
        np.testing.assert_allclose(weights[name], array, atol=1e-3)
    assert of_kind(events, Started)[0].n_parameters == card.parameters == 52411


@pytest.mark.parametrize("how", ["decoder", "transformer", "lora"])
def test_a_part_can_be_trained_and_resumed(tuning_job, run_job, tmp_path, how):
    job = learning(tuning_job, trained=how, lora_rank=2, learning_rate=1e-2)
    run_job(job, folder=tmp_path / "whole")
    run_job(job, folder=tmp_path / "parts", stop_at=3)
    _, done = run_job(job, folder=tmp_path / "parts", resume=True)

    assert are_equal(weights_in(tmp_path / "whole"), weights_in(tmp_path / "parts"))
    frozen, moved = "encoder_1.1.weight", 0
    weights, start = read_pack(done.pack).weights(), read_pack(job.base).weights()
    assert weights.keys() == start.keys()
    np.testing.assert_allclose(weights[frozen], start[frozen], atol=1e-3)
    moved = sum(np.abs(weights[n] - start[n]).max() > 5e-3 for n in start)
    assert moved > 0


def test_closing_a_run_leaves_no_thread_behind(simulated_job, tmp_path):
    n_before = threading.active_count()
    steps = train(simulated_job, folder=tmp_path)
    for _ in range(3):
        next(steps)
    steps.close()

    assert threading.active_count() == n_before


class Slow:
    """Batches that are drawn only when they are let."""

    def __init__(self):
        self.let, self.n_begun = threading.Event(), 0

    def __getitem__(self, number):
        self.n_begun += 1
        if number > 1:
            self.let.wait(10)
        return number


def test_closing_drawn_batches_does_not_draw_those_that_wait():
    slow = Slow()
    drawn = loop.prefetched(slow, range(50), n_threads=1)
    assert [next(drawn), next(drawn)] == [0, 1]
    slow.let.set()
    drawn.close()

    assert slow.n_begun <= 4
    assert not [t for t in threading.enumerate() if t.name.startswith("draw")]


def test_batches_come_in_order_from_several_threads():
    slow = Slow()
    slow.let.set()

    assert list(loop.prefetched(slow, range(20), n_threads=4)) == list(range(20))


def test_an_error_while_drawing_ends_the_threads():
    class Broken:
        def __getitem__(self, number):
            raise VolumeError("ann is damaged.")

    with pytest.raises(VolumeError, match="ann"):
        next(loop.prefetched(Broken(), range(9)))
    assert not [t for t in threading.enumerate() if t.name.startswith("draw")]


def test_a_job_that_went_through_json_is_resumed(job, run_job):
    run_job(job, stop_at=1)

    _, done = run_job(job_from_json(job.to_json()), resume=True)

    assert done.reason == "finished"
