"""One network under training: modes, mean of the weights, learning rate."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from napari_medsynth.catalogue import build_model
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.device import lone_fabric
from napari_medsynth.training.learner import Learner, learning_rate


def learner_of(job, *, norm_statistics="running", **changes):
    torch.manual_seed(3)
    job = replace(job, learn=replace(job.learn, **changes))
    card = replace(fresh_card(job, job.network), norm_statistics=norm_statistics)
    model = build_model(card)
    set_norm_statistics(model, norm_statistics)
    return Learner(job.learn, card, model, lone_fabric(job))


def random_batch(n=2):
    generator = torch.Generator().manual_seed(1)
    images = 2 * torch.rand(n, 3, 32, 32, generator=generator) - 1
    given = torch.tensor([[True, False, True]] * n)
    return Batch(images * given[:, :, None, None], images, given, ~given)


def norm_buffers(model):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return torch.cat([norm.running_mean for norm in norms])


@pytest.mark.parametrize(("freeze", "changes"), [(True, False), (False, True)])
def test_frozen_batch_norms_keep_the_statistics_of_the_base(job, freeze, changes):
    learner = learner_of(job, freeze_norm=freeze)
    before = norm_buffers(learner.model)

    learner.update(random_batch(), 1e-3)

    assert torch.equal(norm_buffers(learner.model), before) != changes
    assert torch.equal(norm_buffers(learner.mean), before) != changes
    assert learner.is_one_mask == changes


def test_the_mean_of_the_weights_follows_them(job):
    learner = learner_of(job, ema=0.9)
    mean = deepcopy(dict(learner.model.named_parameters()))

    for step in range(1, 5):
        learner.update(random_batch(), 1e-2)
        decay = min(0.9, step / (step + 10))
        for name, parameter in learner.model.named_parameters():
            mean[name] = decay * mean[name] + (1 - decay) * parameter.detach()

    for name, parameter in learner.mean.named_parameters():
        assert_close(parameter, mean[name], rtol=1e-4, atol=1e-6)
        assert not parameter.requires_grad


def test_without_a_mean_the_last_weights_are_kept(job):
    learner = learner_of(job, ema=0.0)

    learner.update(random_batch(), 1e-2)

    for name, value in learner.weights().items():
        assert torch.equal(value, learner.model.state_dict()[name])


def test_what_is_not_trained_does_not_move(job):
    learner = learner_of(job, trained="transformer", ema=0.0)
    before = deepcopy(learner.model.state_dict())

    learner.update(random_batch(), 1e-2)

    after = learner.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    trained = {n for n, p in learner.model.named_parameters() if p.requires_grad}
    assert moved <= trained
    assert learner.n_trained == sum(before[name].numel() for name in trained)


def test_lora_weights_have_the_names_of_the_network(job):
    learner = learner_of(job, trained="lora", lora_rank=2, ema=0.5)
    start = deepcopy(learner.weights())

    for _ in range(3):
        learner.update(random_batch(), 1e-1)

    weights = learner.weights()
    model = build_model(fresh_card(job, job.network))
    model.load_state_dict(weights)
    moved = [n for n in start if not torch.equal(start[n], weights[n])]
    assert moved
    assert all("attn" in name for name in moved)
    with torch.inference_mode():  # the mean of the weights is what it computes
        sources = random_batch().sources
        assert_close(model.eval()(sources), learner.mean(sources), atol=1e-5, rtol=1e-4)


def test_dropout_depends_on_the_step_and_not_on_what_was_drawn_before(job):
    options = {**job.network.options, "dropout": 0.5}
    job = replace(job, network=replace(job.network, options=options))
    one, other = learner_of(job), learner_of(job)
    torch.manual_seed(11)
    first = [one.update(random_batch(), 0.0)["total"] for _ in range(2)]
    torch.manual_seed(99)
    torch.rand(5)
    again = [other.update(random_batch(), 0.0)["total"] for _ in range(2)]

    assert first == again
    assert first[0] != first[1]


def test_it_continues_where_it_was(job):
    one, other = learner_of(job), learner_of(job)
    for _ in range(2):
        one.update(random_batch(), 1e-2)
    one.objective.n_parts = 2
    other.load_state_dict(deepcopy(one.state_dict()))
    for learner in (one, other):
        learner.update(random_batch(), 1e-2)

    assert (other.step, other.objective.n_parts) == (3, 2)
    for name, value in one.weights().items():
        assert torch.equal(value, other.weights()[name])


def test_the_state_of_another_network_is_refused(job):
    small = learner_of(job)
    options = {**job.network.options, "width": 8}
    large = learner_of(replace(job, network=replace(job.network, options=options)))

    with pytest.raises(WeightsError, match="belongs to another network"):
        large.load_state_dict(small.state_dict())


def test_bf16_trains_float32_weights(job):
    exact, fast = learner_of(job), learner_of(job, precision="bf16")

    losses = [one.update(random_batch(), 1e-3)["total"] for one in (exact, fast)]

    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert all(p.dtype == torch.float32 for p in fast.model.parameters())


def test_slice_statistics_learn_the_right_gradients(job):
    # channels_last group norm has wrong ones in torch 2.13 on the CPU.
    learner = learner_of(job, norm_statistics="batch", trained="everything", clip=0.0)
    batch, model = random_batch(), learner.model
    double = deepcopy(model).double().eval()
    exact = double(batch.sources.double())
    (exact - batch.truth).square().sum().backward()

    learner._set_modes()
    (model(batch.sources) - batch.truth).square().sum().backward()

    ours = model.get_parameter("art_1.cc.skip.0.weight").grad
    reference = double.get_parameter("art_1.cc.skip.0.weight").grad.float()
    assert_close(ours, reference, rtol=1e-2, atol=1e-2)


def rates(config, n_steps, steps_per_epoch):
    return [
        learning_rate(step, config, n_steps=n_steps, steps_per_epoch=steps_per_epoch)
        for step in range(n_steps)
    ]


def test_the_rate_warms_up_and_falls_to_a_hundredth(config):
    config = replace(config, warmup_steps=9, learning_rate=1.0, epochs=10)

    found = rates(config, 100, 10)

    assert found[0] == pytest.approx(0.1, rel=0.01)
    assert max(found) == pytest.approx(1.0, abs=0.03)
    assert 0.01 < found[-1] < 0.012


def test_the_published_rate_is_full_and_then_falls_to_zero_by_epochs(config):
    config = replace(
        config,
        schedule="linear",
        epochs=8,
        decay_epochs=4,
        warmup_steps=0,
        learning_rate=5.0,
    )

    found = rates(config, 16, 2)

    assert found == pytest.approx([5, 5] * 3 + [4, 4, 3, 3, 2, 2, 1, 1, 0, 0])


def test_a_constant_rate_stays(config):
    config = replace(config, schedule="constant", warmup_steps=0, learning_rate=0.5)

    assert rates(config, 10, 5) == [0.5] * 10
