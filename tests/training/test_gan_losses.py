"""GAN losses, the gradient penalty, critics and what recipes may not ask for."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.testing import assert_close

from napari_medsynth.errors import CardError
from napari_medsynth.models.patchgan import PatchGAN, PixelGAN
from napari_medsynth.models.srgan import SRGANCritic
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.check_recipe import check_recipe
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.learner import learning_rate
from napari_medsynth.training.objectives.critics import make_critic
from napari_medsynth.training.objectives.gan import (
    Adversarial,
    JudgedChannels,
    judged_channels,
)
from napari_medsynth.training.objectives.gan_losses import (
    Judgement,
    gradient_penalty,
    sample_error,
)
from training.tiny import (
    GAN,
    assert_same_network,
    card_of,
    images,
    tiny,
    uneven_batch,
)

CARD = card_of(("T1",), ("T2",))
KINDS = ("least-squares", "cross-entropy", "hinge", "wasserstein", "wasserstein-gp")


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


class Linear(nn.Module):
    """A critic whose gradient is its weight everywhere."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return (image * self.weight).sum(dim=(1, 2, 3))[:, None]


# Scores 2 and -0.5 of one sample: means worked out by hand.
SOFT = {x: math.log1p(math.exp(x)) for x in (2, -2, 0.5, -0.5)}
ERRORS = {
    "least-squares": ((4 + 0.25) / 2, (1 + 2.25) / 2, (1 + 2.25) / 2),
    "cross-entropy": (
        (SOFT[2] + SOFT[-0.5]) / 2,
        (SOFT[-2] + SOFT[0.5]) / 2,
        (SOFT[-2] + SOFT[0.5]) / 2,
    ),
    "hinge": ((3 + 0.5) / 2, (0 + 1.5) / 2, -0.75),
    "wasserstein": (0.75, -0.75, -0.75),
    "wasserstein-gp": (0.75, -0.75, -0.75),
}


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_scores_are_those_worked_out_by_hand(kind):
    scores = torch.tensor([2.0, -0.5]).view(1, 1, 1, 2)

    found = [
        sample_error(scores, kind, is_real=is_real, is_critic=is_critic).item()
        for is_real, is_critic in ((False, True), (True, True), (True, False))
    ]

    assert found == pytest.approx(ERRORS[kind], rel=1e-5)


def test_the_penalty_of_a_linear_critic_is_known():
    fake, real = images(2, 2, seed=1), images(2, 2, seed=2)
    slope = math.sqrt(32 * 32 * (0.03**2 + 0.04**2))  # 1.6
    critic = Linear(0.03, 0.04)

    found = gradient_penalty(critic, fake, real, torch.tensor([0.2, 0.9]))

    assert_close(found, torch.full((2,), (slope - 1) ** 2), rtol=1e-4, atol=0)
    found.mean().backward()  # d/dw (|w| 32 - 1)^2 = 2 (|w| 32 - 1) 32 w / |w|
    expected = 2 * (slope - 1) * 32 * torch.tensor([0.6, 0.8]).view(2, 1, 1)
    assert_close(critic.weight.grad, expected, rtol=1e-4, atol=0)


def test_the_penalty_is_taken_between_the_images_one_share_per_sample():
    fake, real = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    seen = []

    def critic(image: Tensor) -> Tensor:
        seen.append(image.detach())
        return (0.5 * image.square()).sum(dim=(1, 2, 3))[:, None]

    found = gradient_penalty(critic, fake, real, torch.tensor([0.25, 1.0]))

    assert_close(seen[0][:, 0, 0, 0], torch.tensor([0.25, 1.0]))
    assert (seen[0].std(dim=(1, 2, 3)) == 0).all()
    assert_close(found, torch.tensor([(0.25 * 4 - 1) ** 2, (4.0 - 1) ** 2]))


@pytest.mark.parametrize(
    ("kind", "score", "total"),
    # on fake and real: 1.5 ** 2 and 2 ** 2; 1 + 1.5 and 0; 1.5 and -3
    [("least-squares", 3.0, 3.125), ("hinge", 3.0, 2.5), ("wasserstein", 3.0, -1.5)],
)
def test_a_critics_loss_is_half_or_the_whole_sum(kind, score, total):
    class Score(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image.flatten(1)

    fake, real = (torch.full((1, 1, 1, 1), one) for one in (1.5, score))

    found = Judgement(Score(), kind)(fake, real, torch.ones(1))

    assert found.total(kind, 10.0).item() == pytest.approx(total, rel=1e-5)


def test_the_penalty_counts_with_its_weight(fabric):
    config = replace(GAN, gan_loss="wasserstein-gp", gradient_penalty=7.0, clip=0)
    config = replace(config, learning_rate=1e-3)
    critic = Linear(0.01, 0.02, 0.03, 0.04)
    objective = Adversarial(
        config,
        tiny(),
        fabric,
        channels=JudgedChannels((0, 1), (0, 1)),
        discriminator=critic,
    )
    before = deepcopy(critic)

    losses = objective.step(uneven_batch())

    size = 32 * before.weight.detach().norm().item()
    assert losses["gradient_penalty"].item() == pytest.approx((size - 1) ** 2, rel=1e-4)
    direction = before.weight / before.weight.norm()
    slope = 7 * 2 * (size - 1) * 32 * direction
    plain = critic.weight.grad - slope  # what is left: that of the scores
    batch = uneven_batch()
    shown = batch.truth - deepcopy(tiny())(batch.sources)
    shown = torch.where(batch.wanted[..., None, None], shown, 0)
    expected = -torch.cat([torch.zeros(3, 2, 32, 32), shown], 1).sum((2, 3)).mean(0)
    assert_close(plain.flatten(), expected, rtol=1e-3, atol=1e-2)


def test_critic_steps_each_start_without_old_gradients(fabric):
    def objective(steps: int) -> Adversarial:
        torch.manual_seed(1)
        return Adversarial(
            replace(GAN, critic_steps=steps, clip=0, learning_rate=1e-3),
            tiny(),
            fabric,
            channels=JudgedChannels((0, 1), (0, 1)),
            discriminator=PatchGAN(4, width=4),
        )

    one, three = objective(1), objective(3)
    by_hand = deepcopy(one.discriminator).eval()
    adam = torch.optim.Adam(by_hand.parameters(), lr=1e-3, betas=(0.9, 0.99))
    batch = uneven_batch()
    output = one.generator(batch.sources).detach()
    for _ in range(3):
        adam.zero_grad()
        fake, real = (
            by_hand(three._shown(batch, image)) for image in (output, batch.truth)
        )
        (0.5 * (fake.square().mean() + (real - 1).square().mean())).backward()
        adam.step()

    three.step(batch)

    assert_same_network(three.discriminator, by_hand, atol=1e-5, rtol=1e-4)


def test_an_unconditional_critic_sees_the_outputs_alone(fabric):
    config = replace(GAN, critic_sees_source=False)
    channels = JudgedChannels((0, 1), (0, 1))

    objective = Adversarial(config, tiny(), fabric, channels=channels)
    losses = objective.step(uneven_batch())

    assert objective.discriminator.model[0].in_channels == 2
    assert torch.stack(list(losses.values())).isfinite().all()


def test_all_neighbouring_slices_are_judged():
    card = replace(card_of(("T1", "T2"), ("PD",)), neighbours=1)

    assert tuple(judged_channels(card)[0]) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("critic", "size", "made"),
    [("patch", 0, PatchGAN), ("pixel", 0, PixelGAN), ("srgan", 96, SRGANCritic)],
)
def test_the_critic_is_the_one_of_the_settings(critic, size, made):
    config = replace(GAN, critic=critic, patch_size=size, critic_layers=2)

    with torch.device("meta"):
        network = make_critic(config, 2)
        scores = network(torch.zeros(1, 2, 96, 96))

    assert type(network) is made
    assert scores.shape[:2] == (1, 1)


def test_spectral_norms_follow_what_the_critic_learns(fabric):
    torch.manual_seed(0)
    config = replace(
        GAN, gan_loss="wasserstein", critic_norm="spectral", learning_rate=2e-3, clip=0
    )
    channels = JudgedChannels((0, 1), (0, 1))
    critic = PatchGAN(4, width=4, norm="spectral")
    objective = Adversarial(
        config, tiny(), fabric, channels=channels, discriminator=critic
    )
    before = critic.model[0].parametrizations.weight.original.detach().clone()

    for step in range(40):  # the estimate lags a little while the weights change
        objective.set_learning_rate(2e-3 if step < 15 else 0.0)
        objective.step(uneven_batch())

    raw = critic.model[0].parametrizations.weight.original
    assert (raw - before).abs().max() > 0.02
    assert not critic.training
    for layer in critic.model:
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
            assert largest.item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_gan_lowers_the_error(fabric, kind):
    torch.manual_seed(0)
    config = replace(
        GAN,
        gan_loss=kind,
        critic_norm={"wasserstein": "spectral", "wasserstein-gp": "none"}.get(
            kind, "batch"
        ),
        critic_steps=2 if kind == "wasserstein-gp" else 1,
        learning_rate=5e-3,
        beta1=0.5,
    )
    critic = PatchGAN(2, width=4, n_layers=2, norm=config.critic_norm)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1)
    )
    objective = Adversarial(
        config,
        network,
        fabric,
        channels=JudgedChannels((0,), (0,)),
        discriminator=critic,
    )
    wanted = torch.ones(2, 1, dtype=torch.bool)
    batch = Batch(images(2, 1), -0.7 * images(2, 1), given=~wanted, wanted=wanted)

    steps = [objective.step(batch) for _ in range(40)]

    assert all(torch.stack(list(losses.values())).isfinite().all() for losses in steps)
    assert steps[-1]["l1"] < 0.6 * steps[0]["l1"]


def test_a_state_holds_all_of_a_spectral_critic_and_its_optimiser(fabric):
    def fresh(seed: int) -> Adversarial:
        torch.manual_seed(seed)
        config = replace(GAN, gan_loss="hinge", critic_norm="spectral", critic_layers=1)
        channels = JudgedChannels((0, 1), (0, 1))
        return Adversarial(config, tiny(seed), fabric, channels=channels)

    first, second, batch = fresh(0), fresh(5), uneven_batch()
    first.step(batch)
    second.load_state_dict(deepcopy(first.state_dict()))

    assert_close(second.step(batch), first.step(batch), atol=0, rtol=0)
    assert_same_network(second.discriminator, first.discriminator, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"critic": "srgan", "patch_size": 64}, "96 pixels: set patch_size"),
        ({"critic": "wgan-vgg", "patch_size": 0}, "64 or 80 pixels"),
        ({"critic": "mm-gan"}, "belongs to objective missing-modality"),
        ({"gan_loss": "wasserstein"}, "critic_norm = spectral"),
        (
            {"objective": "cycle", "perceptual_weight": 1.0},
            "knows no perceptual loss",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(changes, words):
    with pytest.raises(CardError, match=words):
        check_recipe(replace(GAN, **changes), CARD)


@pytest.mark.parametrize(
    "changes",
    [
        {"critic": "srgan", "patch_size": 96},
        {"critic": "wgan-vgg", "patch_size": 80, "gan_loss": "wasserstein-gp"},
        {"gan_loss": "wasserstein", "critic_norm": "spectral"},
        {"objective": "supervised", "critic": "srgan"},
    ],
)
def test_what_can_work_is_accepted(changes):
    check_recipe(replace(GAN, **changes), CARD)


def test_steps_down_are_edsrs():
    config = TrainConfig(
        schedule="step", step_epochs=3, warmup_steps=0, learning_rate=1e-4
    )

    rates = [
        learning_rate(step, config, n_steps=40, steps_per_epoch=5) for step in range(40)
    ]

    assert rates == pytest.approx([1e-4] * 15 + [5e-5] * 15 + [2.5e-5] * 10)
