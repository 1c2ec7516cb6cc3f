"""A whole run on unpaired data, interrupted and continued."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.catalogue import read_pack
from napari_medsynth.training import DataConfig, NetworkConfig, TrainJob


@pytest.fixture
def cycle_job(write_subject, config) -> TrainJob:
    studies = (
        write_subject("ann", ("T1",)),
        write_subject("bob", ("T2",)),
        write_subject("cia", ("T1", "T2")),
    )
    network = NetworkConfig(
        factory="napari_medsynth.models.resnet:ResNetGenerator",
        options={"width": 4, "n_blocks": 1},
        inputs=("T1",),
        outputs=("T2",),
    )
    data = DataConfig(studies=studies, pairing="unpaired", held_out=("cia",))
    learn = replace(
        config,
        objective="cycle",
        critic_layers=1,
        pool_size=1,
        critic_norm="instance",
        ema=0.0,
        checkpoint_every=1,
    )
    return TrainJob(id="tiny", title="Tiny", network=network, data=data, learn=learn)


def test_it_ends_with_the_weights_it_would_have_had_anyway(
    cycle_job, run_job, tmp_path
):
    _, whole = run_job(cycle_job, folder=tmp_path / "whole")
    run_job(cycle_job, folder=tmp_path / "parts", stop_at=3)

    events, parts = run_job(cycle_job, folder=tmp_path / "parts", resume=True)

    assert parts.reason == "finished"
    one, other = (read_pack(done.pack).weights() for done in (whole, parts))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
    last = events[-1]
    assert {"mae", "psnr"} <= set(last.validation)  # cia has pairs
    assert {"cycle", "identity", "adversarial"} <= set(last.train)


def test_it_runs_where_nobody_can_be_measured(cycle_job, run_job):
    data = replace(cycle_job.data, studies=cycle_job.data.studies[:2], held_out=())

    events, done = run_job(replace(cycle_job, data=data))

    assert done.reason == "finished"
    assert not events[-1].validation
    assert not events[-1].preview
