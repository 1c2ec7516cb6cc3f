"""Read, train, judge, keep: in this process, with a judge that takes no time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsynth.catalogue import list_cards, read_pack
from napari_medsynth.errors import CardError, EngineError, VolumeError, WeightsError
from napari_medsynth.training import loop
from napari_medsynth.training.data import cohort
from napari_medsynth.training.data.samples import contrasts_of
from napari_medsynth.training.events import (
    Done,
    Epoch,
    Judged,
    Judging,
    Note,
    Started,
    Step,
    SubjectRead,
)
from napari_medsynth.training.finetune import card_of, finetune
from napari_medsynth.training.folder import is_first_process, read_json
from napari_medsynth.training.guard import judge as guard
from napari_medsynth.training.guard.verdict import Verdict

Tune = Callable[..., tuple[list[Any], Done]]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def judged(monkeypatch) -> list[Any]:
    """The judge, and then what it was asked."""
    asked: list[Any] = []

    def judge(base, tuned, subjects, **options):
        asked.append((base.card.id, tuned.card.id, [s.name for s in subjects], options))
        yield Judging(0, 1)
        yield Judging(1, 1)
        return Verdict(judge.verdict, "One sentence.", is_weak=True)

    judge.verdict = "better"
    asked.append(judge)
    monkeypatch.setattr(guard, "judge", judge)
    return asked


@pytest.fixture
def tune(judged, tmp_path) -> Tune:
    """``events, done = tune(job, say={Step: "stop"})``: in ``tmp_path / "run"``."""

    def run(job, *, say=(), **options):
        steps = finetune(job, folder=tmp_path / "run", **options)
        events, wish = [next(steps)], None
        try:
            while True:
                wish = dict(say).get(type(events[-1]), wish)
                events.append(steps.send(wish))
        except StopIteration as finished:
            return events, finished.value

    return run


def kinds(events: list[Any]) -> list[type]:
    return [type(event) for event in events]


def of(kind: type, events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_run_reads_trains_judges_and_keeps(tune, tuning_job, tmp_path, judged):
    events, done = tune(tuning_job)

    seen = list(dict.fromkeys(kinds(events)))
    assert [k for k in seen if k in (SubjectRead, Started, Epoch, Judging, Judged)] == [
        SubjectRead,
        Started,
        Epoch,
        Judging,
        Judged,
    ]
    roles = {e.report["name"]: e.report["role"] for e in of(SubjectRead, events)}
    assert roles == {"ann": "train", "bob": "held out"}
    assert judged[1][:3] == ("tiny-base", "tiny", ["bob"])
    assert judged[1][3]["align"] == "header"
    assert done == Done(str(tmp_path / "run" / "tuned.safetensors"), "finished", "tiny")
    assert "tiny" in [card.id for card in list_cards()]
    assert read_json(tmp_path / "run" / "verdict.json")["verdict"] == "better"
    assert read_json(tmp_path / "run" / "job.json")["id"] == "tiny"


@pytest.mark.parametrize(
    ("verdict", "keep", "is_kept"),
    [
        ("not distinguishable", "better", False),
        ("worse", "better", False),
        ("worse", "always", True),
        ("better", "never", False),
    ],
)
def test_what_is_kept(tune, tuning_job, judged, verdict, keep, is_kept):
    judged[0].verdict = verdict

    assert tune(tuning_job, keep=keep)[1].kept == ("tiny" if is_kept else "")


def test_nothing_to_compare_with_is_said(tune, job, judged):
    events, done = tune(job)

    assert "no base to be better than" in events[-1].text
    assert (len(judged), done.kept) == (1, "")
    assert not of(Judged, events)


def test_new_network_can_be_kept(tune, job):
    assert tune(job, keep="always")[1].kept == "tiny"


def test_stop_ends_with_a_checkpoint_and_no_verdict(tune, tuning_job, tmp_path):
    events, done = tune(tuning_job, say={Step: "stop"})

    assert (len(of(Step, events)), done.reason) == (1, "stopped")
    assert not of(Judging, events)
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


def test_stop_while_subjects_are_read_trains_nothing(tune, tuning_job, tmp_path):
    events, done = tune(tuning_job, say={SubjectRead: "stop"})

    assert kinds(events) == [SubjectRead]
    assert done == Done("", "stopped")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_stop_while_judging_keeps_nothing(tune, tuning_job, tmp_path):
    events, done = tune(tuning_job, say={Judging: "stop"})

    assert (done.reason, done.kept) == ("stopped", "")
    assert not of(Judged, events)
    assert tune(tuning_job, resume=True)[1].kept == "tiny"


def test_finish_judges_what_was_learnt_so_far(tune, tuning_job):
    events, done = tune(tuning_job, say={Step: "finish"})

    assert len(of(Step, events)) == 1
    assert (done.reason, done.kept) == ("stopped", "tiny")


def test_stopped_run_continues_to_the_same_weights(tune, tuning_job, tmp_path):
    _, done = tune(tuning_job, keep="never")
    whole = read_pack(done.pack).weights()
    (tmp_path / "run").rename(tmp_path / "whole")

    tune(tuning_job, say={Step: "stop"})
    events, done = tune(tuning_job, resume=True, keep="never")

    assert of(Started, events)[0].step == 1
    assert len(of(SubjectRead, events)) == 2
    parts = read_pack(done.pack).weights()
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)


def test_resumed_run_does_not_read_the_subjects_again(tune, tuning_job, monkeypatch):
    tune(tuning_job, say={Step: "stop"})

    from napari_medsynth.training.data import subjects

    monkeypatch.setattr(subjects, "report_subjects", None)
    tune(tuning_job, resume=True)
    data = replace(tuning_job.data, planes=("coronal",))
    with pytest.raises(TypeError):  # other data are read
        tune(replace(tuning_job, data=data), resume=True)


def test_subjects_that_the_dock_has_read_are_not_read_again(
    tune, tuning_job, tmp_path, monkeypatch, base
):
    from napari_medsynth.training.data import report, subjects

    card = card_of(tuning_job)
    found = cohort.find_subjects(tuning_job.data, contrasts_of(card))
    reports = list(report.report_subjects(found, card, align="header"))
    subjects.write_report(tuning_job, card, tmp_path / "run", reports)
    monkeypatch.setattr(subjects, "report_subjects", None)

    events, _ = tune(tuning_job)

    roles = {e.report["name"]: e.report["role"] for e in of(SubjectRead, events)}
    assert roles == {"ann": "train", "bob": "held out"}


def test_files_that_have_changed_are_read_again(tune, tuning_job, monkeypatch):
    tune(tuning_job, say={Step: "stop"})

    from napari_medsynth.training.data import subjects

    monkeypatch.setattr(subjects, "report_subjects", None)
    os.utime(tuning_job.data.studies[0]["T1"], ns=(1, 1))
    with pytest.raises(TypeError):
        tune(tuning_job, resume=True)


def test_continued_run_has_its_settings(tune, tuning_job, tmp_path):
    tune(tuning_job, say={Step: "stop"})

    learn = replace(tuning_job.learn, seed=5)
    with pytest.raises(WeightsError, match=r"learn\.seed"):
        tune(replace(tuning_job, learn=learn), resume=True)
    assert read_json(tmp_path / "run" / "job.json")["learn"]["seed"] == 0
    learn = replace(tuning_job.learn, epochs=3)
    tune(replace(tuning_job, learn=learn), resume=True)
    assert read_json(tmp_path / "run" / "job.json")["learn"]["epochs"] == 3


def test_a_run_is_not_overwritten(tune, tuning_job, tmp_path):
    tune(tuning_job, say={Step: "stop"})

    with pytest.raises(CardError, match="holds a run already: continue it with --res"):
        tune(tuning_job)


def test_resume_without_a_checkpoint_starts_anew(tune, tuning_job):
    events, done = tune(tuning_job, resume=True)

    assert "from the beginning" in events[0].text
    assert done.reason == "finished"


def test_corrupt_subject_is_left_out(tune, tuning_job, write_subject):
    studies = (*tuning_job.data.studies, write_subject("cid"))
    Path(studies[2]["T2"]).write_bytes(b"no image")
    Path(studies[2]["T1"]).write_bytes(b"no image")
    Path(studies[2]["FLAIR"]).write_bytes(b"no image")
    job = replace(tuning_job, data=replace(tuning_job.data, studies=studies))

    events, done = tune(job)

    notes = [note.text for note in of(Note, events) if note.level == "warning"]
    assert len(notes) == 1
    assert notes[0].startswith("cid is left out: ")
    assert (of(Started, events)[0].n_train, done.reason) == (1, "finished")


def test_another_subject_is_held_out_if_that_one_is_corrupt(
    tune, tuning_job, write_subject, judged
):
    studies = (*tuning_job.data.studies, write_subject("cid"))
    for contrast in ("T1", "T2", "FLAIR"):
        Path(studies[1][contrast]).write_bytes(b"no image")
    job = replace(tuning_job, data=replace(tuning_job.data, studies=studies))

    events, _ = tune(job)

    assert (of(Started, events)[0].n_train, len(judged[1][2])) == (1, 1)
    assert "bob" not in judged[1][2]


def test_nothing_but_corrupt_subjects_is_one_sentence(tune, tuning_job):
    for study in tuning_job.data.studies:
        for contrast in ("T1", "T2", "FLAIR"):
            Path(study[contrast]).write_bytes(b"no image")

    with pytest.raises(VolumeError, match="None of 2 subjects can be used"):
        tune(tuning_job)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "preview.npz"), "free some space"),
        (
            RuntimeError("CUDA error: lost\nmore"),
            r"failed \(CUDA error: lost\): resume",
        ),
        (MemoryError(), r"failed \(MemoryError\)"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence(
    tune, tuning_job, monkeypatch, error, sentence
):
    def train(*_, **__):
        raise error
        yield

    monkeypatch.setattr(loop, "train", train)

    with pytest.raises(EngineError, match=sentence):
        tune(tuning_job)


def test_made_up_data_need_no_report(tune, simulated_job, base):
    job = replace(simulated_job, base=str(base.path), network=None)
    events, done = tune(job)

    assert not of(SubjectRead, events)
    assert done.reason == "finished"


def test_report_can_be_left_out(tune, tuning_job):
    assert not of(SubjectRead, tune(tuning_job, report=False)[0])


@pytest.mark.parametrize("name", ["RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_first_process_is_known_from_the_environment(tuning_job, monkeypatch, name):
    assert is_first_process(replace(tuning_job, devices=2))
    monkeypatch.setenv(name, "1")

    assert is_first_process(tuning_job)
    assert not is_first_process(replace(tuning_job, devices=2))
    assert is_first_process() == (name == "SLURM_PROCID")


def test_report_holds_what_was_read(tune, tuning_job, tmp_path):
    tune(tuning_job)

    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [subject["name"] for subject in report["subjects"]] == ["ann", "bob"]
    assert report["held_out"] == ["bob"]
