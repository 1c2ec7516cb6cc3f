"""Uncertainty: mean and spread as numpy gives them, without keeping the variants."""

import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.io import Study, Volume
from napari_medsynth.trust.uncertainty import RunningMoments, uncertainty
from napari_medsynth.trust.variants import variants_of


class Noisy(nn.Module):
    """The mean of the first two inputs, plus noise whose size grows with the column."""

    def __init__(self, seed=0):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, image):
        noise = torch.randn(image[:, :1].shape, generator=self.generator)
        sizes = 0.2 * torch.arange(image.shape[-1]) / image.shape[-1]
        return (image[:, :2].mean(1, keepdim=True) + sizes * noise).expand_as(image)

    def __deepcopy__(self, memo):
        return self


@pytest.fixture
def prepared(quad, without, card):
    return prepare_study(without(quad, "FLAIR", "PD"), card)


def stored(prepared, variants):
    """Give every variant of every slice, (n, slices, targets, h, w)."""
    indices = range(prepared.n_slices)
    return np.stack([[v((i,))[0] for i in indices] for v in variants])


def test_running_moments_are_those_of_numpy(rng):
    values = (5 + rng.normal(size=(9, 3, 4))).astype(np.float32)
    moments = RunningMoments()
    for one in values:
        moments.add(one)

    assert_allclose(moments.mean, values.mean(0, dtype=np.float64), rtol=1e-6)
    assert_allclose(moments.spread, values.std(0, ddof=1, dtype=np.float64), rtol=1e-6)


def test_running_moments_do_not_lose_a_small_spread_on_a_large_mean(rng):
    values = 1e6 + rng.normal(size=(200, 50))
    moments = RunningMoments()
    for one in values:
        moments.add(one)

    assert_allclose(moments.spread, values.std(0, ddof=1), rtol=1e-9)


@pytest.mark.parametrize("slices_at_once", [1, 2, 5])
def test_mean_and_spread_are_those_of_stored_variants(
    prepared, card, last_of, slices_at_once
):
    class Sharp(nn.Module):
        def forward(self, image):
            return torch.tanh(3 * image[:, :1] * image[:, 1:2]).expand_as(image)

    network = SliceNetwork(card, model=Sharp())
    variants = variants_of(prepared, [network], "augmentation", n=5, seed=7)
    expected = stored(prepared, variants)

    steps = uncertainty(prepared, [network], n=5, seed=7, slices_at_once=slices_at_once)
    found, _ = last_of(steps)

    for channel, target in enumerate(prepared.targets):
        unit = prepared.sources.unit_of(target)
        images = unit.inverse(expected[:, :, channel])
        assert_allclose(found.mean[target].data[0], images.mean(0), rtol=1e-5)
        spread = images.astype(np.float64).std(0, ddof=1)
        assert_allclose(found.spread[target].data[0], spread, rtol=1e-3, atol=1e-2)
        assert spread.max() > 10
        assert found.ranges[target] == unit.high - unit.low


def test_known_randomness_is_found_at_each_voxel(prepared, card, last_of):
    members = [SliceNetwork(card, model=Noisy())] * 400  # each run draws anew
    steps = uncertainty(prepared, members, method="ensemble")
    found, _ = last_of(steps)

    target = prepared.targets[0]
    width = prepared.frame.padded[1]
    columns = np.arange(prepared.frame.size[1]) + prepared.frame.offset[1]
    expected = 0.2 * columns / width * found.ranges[target] / 2
    inside = found.spread[target].data[0]
    assert_allclose(inside.mean(axis=(0, 1)), expected, rtol=0.03, atol=1e-4)
    # of 400 draws, the standard deviation is known to 1 / sqrt(800), 3.5 %
    assert_allclose(
        inside[..., 1:], np.broadcast_to(expected[1:], inside[..., 1:].shape), rtol=0.25
    )
    assert found.n == 400 and found.method == "ensemble"


def test_memory_does_not_grow_with_the_number_of_variants(card):
    alive: list[weakref.ref] = []
    most = []

    class Watched(nn.Module):
        def forward(self, image):
            most.append(sum(ref() is not None for ref in alive))
            made = image[:, :1].repeat(1, 4, 1, 1)
            alive.append(weakref.ref(made))
            return made

    shape = (64, 64, 64)
    volumes = {
        m: Volume(np.full((1, *shape), 500, np.float32), modality=m)
        for m in ("T1", "T2", "PD")
    }
    for volume in volumes.values():
        volume.data[..., :4] = 0
    prepared = prepare_study(Study(volumes), card)
    network = SliceNetwork(card, model=Watched())

    def peak(n):
        tracemalloc.start()
        for step in uncertainty(prepared, [network], n=n):
            assert step.n_variants == n
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    one_volume = 4 * np.prod(shape)
    few, many = peak(2), peak(40)
    assert many < few + 0.1 * one_volume
    assert many < 4 * one_volume  # mean and spread, and slices at work
    assert max(most) <= 1  # images of the network at once


def test_empty_slices_and_slices_not_asked_for_hold_background(
    quad, without, card, last_of
):
    study = without(quad, "FLAIR", "PD")
    for volume in study.volumes.values():
        volume.data[0, 1] = 0
    prepared = prepare_study(study, card, targets=["FLAIR"])
    network = SliceNetwork(card, model=Noisy())

    found, steps = last_of(uncertainty(prepared, [network], indices=(0, 1)))

    background = prepared.sources.unit_of("FLAIR").low
    assert_array_equal(found.mean["FLAIR"].data[0, 1:], np.float32(background))
    assert_array_equal(found.spread["FLAIR"].data[0, 1:], 0)
    assert found.spread["FLAIR"].data[0, 0].max() > 0
    assert [step.slices for step in steps if step.slices] == [(0,)]
    assert found.slices == (0, 1)


def test_every_run_can_be_stopped_after_and_finished_slices_are_shown(
    prepared, card, last_of
):
    network = SliceNetwork(card, model=Noisy())

    found, steps = last_of(uncertainty(prepared, [network], n=3, slices_at_once=2))

    runs = [(step.done, step.n_runs) for step in steps]
    assert runs == [(0, 0), (0, 1), (0, 2), (2, 3), (2, 1), (2, 2), (3, 3)]
    target = prepared.targets[1]
    shown = np.concatenate([s.spread[target] for s in steps if s.slices])
    assert_array_equal(shown, found.spread[target].data[0])


def test_results_say_what_made_them(prepared, card, last_of):
    network = SliceNetwork(card, model=Noisy())

    found, _ = last_of(uncertainty(prepared, [network], n=3, seed=5))

    mean, spread = found.mean["FLAIR"], found.spread["FLAIR"]
    assert mean.modality == "FLAIR" and mean.is_synthetic
    assert spread.modality == "" and spread.metadata["trust"] == "spread"
    facts = spread.metadata["provenance"]
    assert facts["sha256"] == card.sha256
    assert facts["uncertainty"] == {
        "method": "augmentation",
        "variants": 3,
        "seed": 5,
        "models": {"mixer": card.sha256},
    }


def test_other_planes_are_filled_along_their_axis(quad, without, card, last_of):
    study = without(quad, "FLAIR")
    prepared = prepare_study(study, card, targets=["FLAIR"], plane="coronal")
    network = SliceNetwork(card, model=Noisy())

    found, _ = last_of(uncertainty(prepared, [network], indices=(10,)))

    filled = np.flatnonzero(found.spread["FLAIR"].data[0].any(axis=(0, 2)))
    assert_array_equal(filled, [10])
