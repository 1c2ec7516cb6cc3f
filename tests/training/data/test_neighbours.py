"""Slices that come with those beside them, from files and simulations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import PLANES, fit_normalisation
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.training import DataConfig, TrainConfig, TrainJob
from napari_medsynth.training.data.batches import Batches
from napari_medsynth.training.data.gather import gather, mixture_of
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.data.slices import read_subject

CARD = ModelCard(
    id="three-slices",
    family="resnet",
    task="synthesis",
    title="Three slices",
    factory="x:Y",
    inputs=("T1", "FLAIR"),
    outputs=("T2",),
    neighbours=1,
    size_multiple=1,
)
CONFIG = TrainConfig(affine=0.0, intensity=0.0, flip=False, batch_size=1)


def batches_of(data: DataConfig, card: ModelCard = CARD) -> Batches:
    job = TrainJob(id="t", title="T", base="x", data=data, learn=CONFIG)
    subjects, _, _ = gather(job, card)
    return Batches(CONFIG, card, mixture_of(job, card, subjects))


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_a_training_input_is_that_of_a_prediction(write_subject, plane):
    study = write_subject("ann")
    data = DataConfig(studies=(study,), planes=(plane,), held_out_share=0.0)
    card = replace(CARD, planes=(plane,))
    batches = batches_of(data, card)
    files = {c: study[c] for c in ("T1", "T2", "FLAIR")}
    volumes = read_subject(Subject("ann", files), card)
    prepared = prepare_study(volumes, card, targets=["T2"], plane=plane)
    expected = prepared.inputs(range(prepared.n_slices)).numpy()
    target = volumes["T2"].data[0]
    wanted = fit_normalisation(target, {"kind": "percentile"}).forward(target)
    wanted = np.moveaxis(wanted, PLANES[plane], 0)

    for number in range(batches.n_per_round):
        batch = batches[number]
        shown = batch.sources.numpy()
        assert shown.shape[1] == 6
        gaps = np.abs(expected - shown).max(axis=(1, 2, 3))
        assert gaps.min() < 1e-4
        np.testing.assert_allclose(batch.truth[0, 0], wanted[gaps.argmin()], atol=1e-4)


def test_simulated_neighbours_differ_and_are_of_one_scan(brick):
    data = DataConfig(simulated_share=1.0, n_anatomies=1, n_lesions=0)
    batch = batches_of(data)[0]
    assert batch.sources.shape[1] == 6
    assert batch.truth.shape[1] == 1
    below, middle, above = batch.sources[0, :3]
    assert (below != middle).any() and (above != middle).any()
    # Neighbours look alike, other contrasts do not.
    inside = middle > -0.9
    assert (below - middle)[inside].abs().mean() < 0.5
