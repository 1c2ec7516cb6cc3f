"""Saving and loading all that resumes a run."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from napari_medsynth.errors import EngineError, WeightsError
from napari_medsynth.training.checkpoint import (
    FORMAT,
    FREE,
    check_settings,
    load_checkpoint,
    save_checkpoint,
    settings_of,
)

STATE = {"format": FORMAT, "weights": {"a": torch.arange(1000.0)}, "step": 3}


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "checkpoint.pt"

    save_checkpoint(path, STATE)
    loaded = load_checkpoint(path)

    assert loaded["step"] == 3
    assert torch.equal(loaded["weights"]["a"], STATE["weights"]["a"])
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_crash_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)

    def crashing(state, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", crashing)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {**STATE, "step": 4})

    assert load_checkpoint(path)["step"] == 3


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(number))

    save_checkpoint(tmp_path / "checkpoint.pt", STATE)

    assert len(synced) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EngineError, match="could not be written"):
        save_checkpoint(tmp_path / "file" / "checkpoint.pt", STATE)


@pytest.mark.parametrize("n_bytes", [0, 4, 500, -30])
def test_a_damaged_checkpoint_is_refused(tmp_path, n_bytes):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[:n_bytes])

    with pytest.raises(WeightsError, match="damaged; delete it"):
        load_checkpoint(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(WeightsError, match="does not exist"):
        load_checkpoint(path)
    path.write_text("weights, honestly")
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(path)
    for other in ({"format": FORMAT - 1}, [1, 2], {"model": torch.zeros(1)}):
        torch.save(other, path)
        with pytest.raises(WeightsError, match="another version"):
            load_checkpoint(path)


def test_what_decides_about_the_weights_must_be_the_same(job):
    then = settings_of(job)

    check_settings(then, job)
    learn = replace(job.learn, epochs=9, patience=3, n_threads=2, checkpoint_every=5)
    check_settings(then, replace(job, title="New", id="new", learn=learn))
    changed = {
        "targets": replace(job, targets=("T1",)),
        "devices": replace(job, devices=2),
        "data.planes": replace(job, data=replace(job.data, planes=("coronal",))),
        "learn.ema": replace(job, learn=replace(job.learn, ema=0.5)),
        "network.inputs": replace(job, network=replace(job.network, inputs=("T1",))),
    }
    for name, other in changed.items():
        with pytest.raises(WeightsError, match=f"made with {name} = .*another folder"):
            check_settings(then, other)


def test_free_settings_exist(job):
    values = job.to_json()
    names = {f"{part}.{n}" for part in ("learn", "data") for n in values[part]}

    assert names | set(values) >= FREE
