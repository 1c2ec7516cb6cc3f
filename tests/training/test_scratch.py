"""A recipe becomes a pack."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from napari_medsynth.catalogue import read_pack
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.training import train_from_config


def written(job, path):
    path.write_text(json.dumps(job.to_json()))
    return path


def test_a_recipe_becomes_a_pack(simulated_job, tmp_path, caplog):
    job = replace(simulated_job, output="out/tiny.safetensors", licence="CC0")

    with caplog.at_level(logging.INFO):
        path = train_from_config(written(job, tmp_path / "job.json"), log_every=2)

    pack = read_pack(path)
    assert path == tmp_path / "out" / "tiny.safetensors"
    assert pack.card.is_unified
    assert (pack.card.family, pack.card.licence) == ("resvit", "CC0")
    assert pack.card.training["steps"] == 4
    assert pack.card.parameters == 52411
    assert "step 4" in caplog.text
    pack.verify()


def test_a_finished_recipe_is_not_trained_again(simulated_job, tmp_path, caplog):
    job = written(simulated_job, tmp_path / "job.json")
    target = tmp_path / "tiny.safetensors"
    first = read_pack(train_from_config(job, output=target)).card.sha256
    caplog.clear()

    with caplog.at_level(logging.INFO):
        again = read_pack(train_from_config(job, output=target, log_every=1))

    assert again.card.sha256 == first
    assert "step 1" not in caplog.text
    learn = replace(simulated_job.learn, seed=4)
    written(replace(simulated_job, learn=learn), job)
    with pytest.raises(WeightsError, match="start again in another folder"):
        train_from_config(job, output=target)


def test_a_pack_needs_a_place(simulated_job, tmp_path):
    with pytest.raises(CardError, match="needs output"):
        train_from_config(written(simulated_job, tmp_path / "job.json"))


def test_only_the_first_process_writes_the_pack(simulated_job, tmp_path, monkeypatch):
    from napari_medsynth.training import scratch
    from napari_medsynth.training.events import Done

    def silent(*_, **__):
        return Done("")
        yield

    monkeypatch.setattr(scratch, "train", silent)
    monkeypatch.setenv("LOCAL_RANK", "1")
    job = written(replace(simulated_job, devices=2), tmp_path / "job.json")

    path = train_from_config(job, output=tmp_path / "tiny.safetensors")

    assert not path.exists()
