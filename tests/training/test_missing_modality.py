"""The missing-modality objective: who learns first, what is judged, learning."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.testing import assert_close

from napari_medsynth.catalogue import read_pack
from napari_medsynth.errors import CardError
from napari_medsynth.models.mmgan import MMGAN
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import MISSING, Batch
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.missing_modality import (
    MissingModality,
    completed,
)
from training.tiny import assert_same_network, card_of, images, tiny, uneven_batch

MM = TrainConfig(
    objective="missing-modality",
    critic="mm-gan",
    critic_norm="instance",
    l1_weight=0.9,
    gradient_weight=0.0,
    reconstruction_weight=0.0,
    adversarial_weight=0.1,
    learning_rate=1e-3,
    beta1=0.5,
    beta2=0.999,
    clip=0,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def critic() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(4, 4, 4, stride=2), nn.LeakyReLU(), nn.Conv2d(4, 2, 4)
    )


def objective(fabric: Fabric, config: TrainConfig = MM) -> MissingModality:
    return MissingModality(config, tiny(), fabric, critic=critic())


def known(batch: Batch) -> Tensor:
    """All that exists: of sample 0 both, of 1 both, of 2 the first."""
    images = batch.truth.clone()
    images[2, 1] = MISSING
    return images


def test_real_slices_take_the_place_of_made_ones_where_they_were_given():
    batch, made = uneven_batch(), images(seed=4)

    shown = completed(made, batch)

    assert_close(shown[0, 0], batch.truth[0, 0])
    assert_close(shown[0, 1], made[0, 1])
    assert_close(shown[1], made[1])
    assert_close(shown[2, 0], made[2, 0])
    assert (shown[2, 1] == MISSING).all()


def test_the_generator_learns_first_and_each_contrast_is_judged_by_itself(fabric):
    """Five contrasts exist: one was given, four were made."""
    one, batch = objective(fabric), uneven_batch()
    generator, judge = deepcopy(one.generator), deepcopy(one.critic)
    made = generator(batch.sources)
    real = known(batch)
    mixed = completed(made, batch)
    on_mixed = judge(torch.cat([mixed, real], 1))
    on_real = judge(torch.cat([real, real], 1))

    losses = one.step(batch)

    exists = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    fooled = sum((on_mixed[i] - 1).square().mean() for i in exists) / 5
    labels = [1.0, 0.0, 0.0, 0.0, 0.0]
    fake = sum(
        (on_mixed[i] - label).square().mean()
        for i, label in zip(exists, labels, strict=True)
    )
    l1 = sum((made[i] - batch.truth[i]).abs().mean() for i in exists[1:]) / 4
    assert_close(losses["adversarial"], fooled.detach())
    assert_close(losses["l1"], l1.detach())
    assert_close(losses["total"], (0.1 * fooled + 0.9 * l1).detach())
    assert_close(losses["discriminator_fake"], fake.detach() / 5)
    truly = sum((on_real[i] - 1).square().mean() for i in exists) / 5
    assert_close(losses["discriminator_real"], truly.detach())


def test_a_batch_in_parts_is_the_same_update(fabric):
    whole, cut = (objective(fabric, replace(MM, accumulate=n)) for n in (1, 3))

    for _ in range(2):
        losses, in_parts = whole.step(uneven_batch()), cut.step(uneven_batch())

    assert_close(in_parts, losses, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.generator, whole.generator, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.critic, whole.critic, atol=1e-5, rtol=1e-4)


def test_it_continues_from_its_state(fabric):
    first, batch = objective(fabric), uneven_batch()
    first.step(batch)
    second = objective(fabric)
    second.load_state_dict(deepcopy(first.state_dict()))

    assert_close(second.step(batch), first.step(batch), atol=0, rtol=0)
    assert_same_network(second.generator, first.generator, atol=0, rtol=0)
    assert_same_network(second.critic, first.critic, atol=0, rtol=0)


def test_a_critic_with_one_map_is_refused(fabric):
    judge = nn.Conv2d(4, 1, 4)
    with pytest.raises(ValueError, match="one map for each of 2 contrasts, got 1"):
        MissingModality(MM, tiny(), fabric, critic=judge).step(uneven_batch())


def test_it_needs_a_unified_model(fabric):
    card = card_of(("T1", "T2"), ("PD",))
    with pytest.raises(CardError, match="needs a unified model"):
        make_objective(MM, tiny(), fabric, card=card)


def test_an_mmgan_learns_to_fill_in_what_is_missing(fabric):
    torch.manual_seed(0)
    network = MMGAN(2, 2, width=4, activation="tanh").train()
    card = card_of(("T1", "T2"), ("T1", "T2"))
    config = replace(MM, learning_rate=3e-3)
    one = make_objective(config, network, fabric, card=card)
    given = torch.tensor([[True, False], [False, True]])
    coarse = torch.rand(2, 1, 8, 8) - 0.5
    first = nn.functional.interpolate(coarse, (256, 256), mode="bilinear")
    truth = torch.cat([first, -first], 1)
    sources = torch.where(given[..., None, None], truth, MISSING)

    told = [one.step(Batch(sources, truth, given, ~given)) for _ in range(6)]

    assert float(told[-1]["l1"]) < 0.8 * float(told[0]["l1"])
    assert all(v.isfinite() for losses in told for v in losses.values())


def test_it_needs_a_critic_that_judges_scan_by_scan(fabric):
    card = card_of(("T1", "T2"), ("T1", "T2"))
    with pytest.raises(CardError, match="needs critic mm-gan, got patch"):
        make_objective(replace(MM, critic="patch"), tiny(), fabric, card=card)


def test_a_run_with_a_curriculum_ends_with_the_weights_it_would_have_had(
    job, run_job, tmp_path
):
    learn = replace(
        job.learn,
        objective="missing-modality",
        critic="mm-gan",
        availability="curriculum",
        checkpoint_every=1,
        batch_size=1,
    )
    job = replace(job, learn=learn)
    _, whole = run_job(job, folder=tmp_path / "whole")
    run_job(job, folder=tmp_path / "parts", stop_at=3)

    events, parts = run_job(job, folder=tmp_path / "parts", resume=True)

    one, other = (read_pack(done.pack).weights() for done in (whole, parts))
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
    assert {"adversarial", "discriminator_fake", "l1"} <= set(events[-1].train)
