"""Objectives: losses, order of the updates, parts of a batch, processes."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.batch import MISSING, Batch
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.gan import (
    Adversarial,
    JudgedChannels,
    judged_channels,
)
from napari_medsynth.training.objectives.losses import (
    count,
    dissimilarity,
    gradient_difference,
    squared_error,
    supervised_losses,
)
from napari_medsynth.training.objectives.supervised import Supervised

SIZE = 32
GAN = TrainConfig(
    objective="gan", l1_weight=10.0, reconstruction_weight=3.0, gradient_weight=0.0
)
MIXED = TrainConfig(l2_weight=0.5, ssim_weight=0.7, gradient_weight=0.3)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def images(n: int = 3, channels: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(n, channels, SIZE, SIZE, generator=generator) - 1


def uneven_batch() -> Batch:
    """Three samples of two contrasts: 1, 2 and 1 are wanted, 1, 0 and 0 given."""
    given = torch.tensor([[True, False], [False, False], [False, False]])
    wanted = torch.tensor([[False, True], [True, True], [True, False]])
    truth = images()
    return Batch(
        torch.where(given[..., None, None], truth, MISSING), truth, given, wanted
    )


def tiny(seed: int = 0) -> nn.Module:
    """A network without batch norm, so that samples do not see each other."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(4, 2, 1), nn.Tanh()
    )


def adversarial(fabric: Fabric, config: TrainConfig = GAN) -> Adversarial:
    torch.manual_seed(1)
    judge = PatchGAN(4, width=4)
    channels = JudgedChannels((0, 1), (0, 1))
    return Adversarial(config, tiny(), fabric, channels=channels, discriminator=judge)


def assert_same_network(one: nn.Module, other: nn.Module, **tolerances: float) -> None:
    for (name, a), b in zip(
        one.state_dict().items(), other.state_dict().values(), strict=True
    ):
        assert_close(a, b, msg=name, **tolerances)


class Recorder(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 1, 1)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image.detach().clone())
        return self.layer(image)


# ------------------------------------------------------------------------- losses


def test_ssim_is_that_of_scikit_image():
    output, truth = images(2, 2, seed=1), images(2, 2, seed=2)
    output = 0.6 * truth + 0.4 * output

    ours = 1 - dissimilarity(output, truth)

    for n, c in np.ndindex(2, 2):
        expected = structural_similarity(
            *(0.5 * (image[n, c].double().numpy() + 1) for image in (output, truth)),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert ours[n, c].item() == pytest.approx(expected, abs=1e-5)
    assert_close(dissimilarity(truth, truth), torch.zeros(2, 2), atol=1e-5, rtol=0)


def test_errors_are_means_over_the_pixels_of_a_channel():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)  # along each row, 1 per pixel

    assert squared_error(ramp, torch.zeros_like(ramp)).item() == pytest.approx(77.5)
    assert gradient_difference(ramp, torch.zeros_like(ramp)).item() == pytest.approx(1)


def test_only_losses_with_a_weight_are_computed(fabric):
    batch = uneven_batch()
    config = TrainConfig(gradient_weight=0, reconstruction_weight=0, l1_weight=2)

    losses = supervised_losses(batch.truth + 0.25, batch, config, count(batch, fabric))

    assert set(losses) == {"total", "l1"}
    assert losses["total"].item() == pytest.approx(0.5)


def test_only_wanted_and_given_channels_count(fabric):
    batch = uneven_batch()
    off = torch.zeros(3, 2)
    off[0, 1] = off[1, 0] = 0.4  # two of the four that are wanted
    off[0, 0] = 0.3  # the only one that is given
    off[2, 1] = 99.0  # neither
    output = batch.truth + off[..., None, None]

    losses = supervised_losses(output, batch, GAN, count(batch, fabric))

    assert losses["l1"].item() == pytest.approx(0.2)
    assert losses["reconstruction"].item() == pytest.approx(0.3)
    assert losses["total"].item() == pytest.approx(10 * 0.2 + 3 * 0.3)


def test_nothing_given_is_no_reconstruction_error(fabric):
    batch = replace(uneven_batch(), given=torch.zeros(3, 2, dtype=torch.bool))

    losses = supervised_losses(batch.truth + 1, batch, GAN, count(batch, fabric))

    assert losses["reconstruction"].item() == 0


# ------------------------------------------------------------------------- parts


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_a_supervised_batch_in_parts_is_the_same_update(fabric, n_parts, clip):
    whole, cut = (
        Supervised(replace(MIXED, clip=clip, accumulate=n), tiny(), fabric)
        for n in (1, n_parts)
    )

    for _ in range(2):
        losses, in_parts = whole.step(uneven_batch()), cut.step(uneven_batch())

    assert cut.n_parts == n_parts
    assert_close(in_parts, losses)
    assert_same_network(cut.generator, whole.generator, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("n_parts", [2, 3])
def test_an_adversarial_batch_in_parts_is_the_same_update(fabric, n_parts):
    whole, cut = (adversarial(fabric, replace(GAN, accumulate=n)) for n in (1, n_parts))

    for _ in range(2):
        losses, in_parts = whole.step(uneven_batch()), cut.step(uneven_batch())

    assert_close(in_parts, losses, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.generator, whole.generator, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.discriminator, whole.discriminator, atol=1e-5, rtol=1e-4)


# ------------------------------------------------------------------------- gan


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


def shown_by_hand(batch: Batch, output: Tensor) -> Tensor:
    """Sources and outputs: sample 0's first is given, sample 2's second unknown."""
    completed = output.clone()
    completed[0, 0] = batch.truth[0, 0]
    completed[2, 1] = MISSING
    return torch.cat([batch.sources, completed], dim=1)


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


def card_of(inputs: tuple[str, ...], outputs: tuple[str, ...]) -> ModelCard:
    return ModelCard(
        id="tiny",
        family="resvit",
        task="synthesis",
        title="Tiny",
        factory="napari_medsynth.models.resvit:ResViT",
        inputs=inputs,
        outputs=outputs,
        is_unified=inputs == outputs,
    )


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


@pytest.mark.parametrize("kind", ["supervised", "gan"])
def test_an_objective_continues_from_its_state(fabric, kind):
    def fresh():
        if kind == "gan":
            return adversarial(fabric)
        return Supervised(MIXED, tiny(), fabric)

    first, batch = fresh(), uneven_batch()
    first.step(batch)
    second = fresh()
    second.load_state_dict(deepcopy(first.state_dict()))

    assert_close(second.step(batch), first.step(batch), atol=0, rtol=0)
    assert_same_network(second.generator, first.generator, atol=0, rtol=0)


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


# ------------------------------------------------------------------------- processes

TWO_PROCESSES = """
import sys
sys.path.insert(0, {tests!r})
import torch
from lightning_fabric import Fabric
from training.test_objectives import GAN, MIXED, Supervised, adversarial, tiny
from training.test_objectives import uneven_batch
from napari_medsynth.training.batch import Batch
from dataclasses import replace

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
batch = uneven_batch()
mine = slice(0, 1) if fabric.global_rank == 0 else slice(1, 3)
tensors = (batch.sources, batch.truth, batch.given, batch.wanted)
part = Batch(*(tensor[mine] for tensor in tensors))
saved = {{}}
for accumulate in (1, 2):
    supervised = Supervised(replace(MIXED, accumulate=accumulate), tiny(), fabric)
    gan = adversarial(fabric, replace(GAN, accumulate=accumulate))
    for objective, name in ((supervised, "supervised"), (gan, "gan")):
        for _ in range(3):
            losses = objective.step(part)
        saved[name, accumulate] = (objective.state_dict(), losses)
torch.save(saved, {folder!r} + f"/rank{{fabric.global_rank}}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_as_one(fabric, tmp_path):
    script = tmp_path / "two.py"
    tests = str(Path(__file__).parents[1])
    script.write_text(TWO_PROCESSES.format(tests=tests, folder=str(tmp_path)))

    subprocess.run([sys.executable, str(script)], check=True, timeout=120)

    ranks = [torch.load(tmp_path / f"rank{i}.pt", weights_only=False) for i in (0, 1)]
    alone = {
        "supervised": Supervised(MIXED, tiny(), fabric),
        "gan": adversarial(fabric),
    }
    for name, objective in alone.items():
        for _ in range(3):
            losses = objective.step(uneven_batch())
        expected = objective.state_dict()
        for accumulate in (1, 2):
            for rank in ranks:
                state, theirs = rank[name, accumulate]
                assert_close(theirs, losses, atol=1e-4, rtol=1e-3)
                for player in {"generator", "discriminator"} & set(expected):
                    assert_close(state[player], expected[player], atol=1e-4, rtol=1e-3)
