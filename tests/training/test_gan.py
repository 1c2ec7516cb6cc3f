"""The adversarial objective: whose turn it is, and what the discriminator sees."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training.data.batch import MISSING, Batch
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.gan import (
    Adversarial,
    JudgedChannels,
    judged_channels,
)
from napari_medsynth.training.objectives.losses import (
    count,
    supervised_losses,
)
from napari_medsynth.training.objectives.supervised import Supervised
from training.tiny import (
    GAN,
    MIXED,
    adversarial,
    assert_same_network,
    card_of,
    images,
    shown_by_hand,
    tiny,
    uneven_batch,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


class Recorder(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 1, 1)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image.detach().clone())
        return self.layer(image)


def test_the_discriminator_learns_first_and_the_generator_from_the_new_one(fabric):
    batch, config = uneven_batch(), replace(GAN, clip=0, learning_rate=1e-2)
    objective = adversarial(fabric, config)
    generator = deepcopy(objective.generator)
    before = deepcopy(objective.discriminator)
    shown = shown_by_hand(batch, generator(batch.sources))

    losses = objective.step(batch)

    fake, real = before(shown), before(shown_by_hand(batch, batch.truth))
    assert_close(losses["discriminator_fake"], fake.square().mean())
    assert_close(losses["discriminator_real"], (real - 1).square().mean())
    after = objective.discriminator
    assert_close(losses["adversarial"], (after(shown) - 1).square().mean())
    total = 10 * losses["l1"] + 3 * losses["reconstruction"] + losses["adversarial"]
    assert_close(losses["total"], total)
    ours = list(generator.parameters())
    output = generator(batch.sources)
    fooled = (after(shown_by_hand(batch, output)) - 1).square().mean()
    counts = count(batch, fabric)
    loss = fooled + supervised_losses(output, batch, GAN, counts)["total"]
    wanted = torch.autograd.grad(loss, ours)
    for p, expected in zip(objective.generator.parameters(), wanted, strict=True):
        assert_close(p.grad, expected, atol=1e-6, rtol=1e-4)


def test_the_generators_turn_leaves_the_discriminators_gradient_alone(fabric):
    batch, objective = uneven_batch(), adversarial(fabric, replace(GAN, clip=0))
    judge = deepcopy(objective.discriminator)
    output = objective.generator(batch.sources).detach()
    fake, real = (judge(shown_by_hand(batch, i)) for i in (output, batch.truth))
    (0.5 * (fake.square().mean() + (real - 1).square().mean())).backward()

    objective.step(batch)

    for ours, wanted in zip(
        objective.discriminator.parameters(), judge.parameters(), strict=True
    ):
        assert_close(ours.grad, wanted.grad, atol=1e-6, rtol=1e-4)


def test_the_discriminator_sees_what_is_known_as_it_is(fabric):
    batch, judge = uneven_batch(), Recorder()
    channels = JudgedChannels((0, 1), (0, 1))
    objective = Adversarial(GAN, tiny(), fabric, channels=channels, discriminator=judge)

    objective.step(batch)

    fake, real, again = judge.seen
    for shown in (fake, real, again):
        assert_close(shown[:, :2], batch.sources)
        assert_close(shown[0, 2], batch.truth[0, 0])  # given
        assert (shown[2, 3] == MISSING).all()  # not there
    assert_close(real[0, 3], batch.truth[0, 1])  # wanted
    assert (fake[0, 3] - batch.truth[0, 1]).abs().mean() > 0.1
    assert_close(again, fake)


@pytest.mark.parametrize(
    ("outputs", "targets", "expected"),
    [
        (("PD",), (), ((0, 1, 2), (0,))),
        (("T1", "T2", "FLAIR"), (), ((0, 1, 2), (0, 1, 2))),
        (("T1", "T2", "FLAIR"), ("T1", "T2"), ((0, 1, 2), (0, 1))),
        (("T1", "T2", "FLAIR"), ("T2",), ((0, 2), (1,))),
    ],
    ids=["many-to-one", "unified", "two targets", "one target"],
)
def test_channels_that_never_hold_an_image_are_not_judged(outputs, targets, expected):
    inputs = ("T1", "T2", "FLAIR")
    card = card_of(inputs, outputs)

    sources, judged = judged_channels(card, targets)

    assert (tuple(sources), tuple(judged)) == expected


def test_the_objective_is_the_one_of_the_settings(fabric):
    card = card_of(("T1", "T2", "PD"), ("T1", "T2", "PD"))

    gan = make_objective(GAN, tiny(), fabric, card=card, targets=("T2",))
    plain = make_objective(MIXED, tiny(), fabric, card=card)

    assert isinstance(plain, Supervised)
    assert gan.discriminator.model[0].in_channels == 2 + 1


@pytest.mark.parametrize(
    ("gan_loss", "distance"),
    [
        ("least-squares", F.mse_loss),
        ("cross-entropy", F.binary_cross_entropy_with_logits),
    ],
)
def test_the_gan_loss_is_resvits_or_pix2pixs(fabric, gan_loss, distance):
    batch = uneven_batch()
    objective = adversarial(fabric, replace(GAN, gan_loss=gan_loss))
    real = deepcopy(objective.discriminator)(shown_by_hand(batch, batch.truth))

    losses = objective.step(batch)

    assert_close(losses["discriminator_real"], distance(real, torch.ones_like(real)))


def test_batch_size_does_not_change_what_the_discriminator_thinks(fabric):
    batch = uneven_batch()
    alone = Batch(
        *(t[1:2] for t in (batch.sources, batch.truth, batch.given, batch.wanted))
    )
    doubled = Batch(
        *(t.repeat(2, *[1] * (t.ndim - 1)) for t in (alone.sources, alone.truth)),
        *(t.repeat(2, 1) for t in (alone.given, alone.wanted)),
    )

    one, two = (adversarial(fabric).step(b) for b in (alone, doubled))

    assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_both_networks_take_the_learning_rate(fabric):
    objective = adversarial(fabric)
    networks = (objective.generator, objective.discriminator)
    before = [deepcopy(network) for network in networks]
    objective.set_learning_rate(0.0)

    objective.step(uneven_batch())

    for old, new in zip(before, networks, strict=True):
        assert_same_network(old, new, atol=0, rtol=0)


def test_a_resvit_becomes_better_against_a_discriminator(fabric):
    torch.manual_seed(0)
    generator = ResViT(*(1, 1), width=4, n_blocks=1, transformer_blocks=(), dropout=0.0)
    card = card_of(("T1",), ("T2",))
    config = replace(GAN, learning_rate=3e-3, beta1=0.5, clip=0)
    objective = make_objective(config, generator.train(), fabric, card=card)
    wanted = torch.ones(2, 1, dtype=torch.bool)
    batch = Batch(images(2, 1), -images(2, 1), given=~wanted, wanted=wanted)

    l1 = [objective.step(batch)["l1"].item() for _ in range(12)]

    assert l1[-1] < 0.92 * l1[0]
