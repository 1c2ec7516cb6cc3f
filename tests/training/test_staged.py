"""The staged objective: losses of stages, triplets, states, learning."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from napari_medsynth.errors import CardError
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.staged import Staged, at_size_of, enlarged
from training.tiny import assert_same_network, card_of, tiny

STAGED = TrainConfig(
    objective="staged",
    l1_weight=0.0,
    l2_weight=1.0,
    gradient_weight=0.0,
    adversarial_weight=1e-3,
    triplet_margin=0.1,
    learning_rate=1e-3,
    clip=0,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


class TwoStages(nn.Module):
    """Enlarge twice by two; the stages in training, the last one else."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stages = nn.ModuleList(nn.Conv2d(1, 1, 3, padding=1) for _ in range(2))

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        made = []
        for stage in self.stages:
            image = stage(F.interpolate(image, scale_factor=2, mode="nearest"))
            made.append(image)
        return tuple(made) if self.training else image


def batch(n: int = 2) -> Batch:
    torch.manual_seed(3)
    coarse = 2 * torch.rand(n, 1, 8, 8) - 1
    truth = F.interpolate(coarse, (32, 32), mode="bilinear", align_corners=False)
    wanted = torch.ones(n, 1, dtype=torch.bool)
    return Batch(coarse, truth, given=~wanted, wanted=wanted)


def critics() -> list[nn.Module]:
    torch.manual_seed(5)
    return [nn.Conv2d(1, 1, 4, stride=2), nn.Conv2d(1, 1, 4, stride=4)]


def objective(fabric: Fabric, config: TrainConfig = STAGED, **options) -> Staged:
    return Staged(config, TwoStages(), fabric, critics=critics(), **options)


def test_a_real_image_is_averaged_to_the_size_of_a_stage():
    image = torch.arange(16.0).view(1, 1, 4, 4)

    small = at_size_of(image, torch.zeros(1, 1, 2, 2))

    assert_close(small, torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]))
    assert at_size_of(image, image) is image


def test_a_step_is_the_sum_of_its_stages(fabric):
    one, data = objective(fabric), batch()
    network, judges = deepcopy(one.generator), deepcopy(one.critics)
    first, second = network(data.sources)
    small = F.avg_pool2d(data.truth, 2)

    losses = one.step(data)

    near = (second - data.truth).square().mean(dim=(1, 2, 3))
    last = enlarged(first.detach(), second)
    far = (last - data.truth).square().mean(dim=(1, 2, 3))
    triplet = F.relu(near - far + 0.1).mean()
    l2 = (first - small).square().mean(), near.mean()
    after = one.critics
    fooled = [
        (judge(image) - 1).square().mean()
        for judge, image in zip(after, (first, second), strict=True)
    ]
    assert_close(losses["triplet"], (triplet / 2).detach())
    assert_close(losses["adversarial"], (sum(fooled) / 2).detach())
    assert_close(losses["l2"], l2[1].detach())
    total = sum(l2) + triplet + 1e-3 * sum(fooled)
    assert_close(losses["total"], total.detach())
    fake = [
        judge(image).square().mean()
        for judge, image in zip(judges, (first, second), strict=True)
    ]
    assert_close(losses["discriminator_fake"], (sum(fake) / 2).detach())
    real = [
        (judge(image) - 1).square().mean()
        for judge, image in zip(judges, (small, data.truth), strict=True)
    ]
    assert_close(losses["discriminator_real"], (sum(real) / 2).detach())


def test_the_triplet_is_zero_where_a_stage_is_much_better_than_the_last(fabric):
    """By hand: real 1, last stage 0 (distance 1), this stage 0.9 (0.01)."""

    class Fixed(nn.Module):
        def __init__(self, last: float, this: float) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(()))
            self.last, self.this = last, this

        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            n = len(image)
            first = torch.full((n, 1, 16, 16), self.last)
            return first + self.shift, torch.full(
                (n, 1, 32, 32), self.this
            ) + self.shift

    config = replace(STAGED, adversarial_weight=0.0, l2_weight=0.0)
    data = replace_truth(batch(1), 1.0)

    triplets = [
        float(
            Staged(config, Fixed(*pair), fabric, critics=critics()).step(data)[
                "triplet"
            ]
        )
        for pair in ((0.0, 0.9), (0.9, 0.9), (0.9, 0.0))
    ]

    assert triplets == pytest.approx([0.0, 0.1 / 2, (1 - 0.01 + 0.1) / 2], abs=1e-5)


def replace_truth(data: Batch, value: float) -> Batch:
    truth = torch.full_like(data.truth, value)
    return Batch(data.sources, truth, data.given, data.wanted)


def test_features_are_compared_in_the_place_of_pixels(fabric):
    data = batch()
    config = replace(STAGED, perceptual_weight=2.0, l2_weight=0.0)
    one = objective(fabric, config, features=lambda image: 3 * image.mean(dim=(2, 3)))
    first, second = deepcopy(one.generator)(data.sources)
    small = F.avg_pool2d(data.truth, 2)

    losses = one.step(data)

    def distance(a, b):
        return (3 * (a - b).mean(dim=(2, 3))).square().mean()

    near = distance(first, small) + distance(second, data.truth)
    assert_close(losses["perceptual"], near.detach() / 2)
    rest = losses["total"] - 2 * near.detach() - 2 * losses["triplet"]
    assert_close(rest, 2e-3 * losses["adversarial"], atol=1e-6, rtol=1e-3)


def test_a_batch_in_parts_is_the_same_update(fabric):
    whole, cut = (objective(fabric, replace(STAGED, accumulate=n)) for n in (1, 2))

    for _ in range(2):
        losses, in_parts = whole.step(batch(3)), cut.step(batch(3))

    assert_close(in_parts, losses, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.generator, whole.generator, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.critics, whole.critics, atol=1e-5, rtol=1e-4)


def test_it_continues_from_its_state(fabric):
    first = objective(fabric)
    first.step(batch())
    second = objective(fabric)
    second.load_state_dict(deepcopy(first.state_dict()))

    assert_close(second.step(batch()), first.step(batch()), atol=0, rtol=0)
    assert_same_network(second.generator, first.generator, atol=0, rtol=0)
    assert_same_network(second.critics, first.critics, atol=0, rtol=0)


def test_it_learns_to_enlarge(fabric):
    one = objective(fabric, replace(STAGED, learning_rate=1e-2))

    told = [one.step(batch()) for _ in range(40)]

    assert float(told[-1]["l2"]) < 0.5 * float(told[0]["l2"])
    assert float(told[-1]["total"]) < 0.7 * float(told[0]["total"])
    assert all(v.isfinite() for losses in told for v in losses.values())


def test_other_networks_are_refused(fabric):
    card = card_of(("T1",), ("T2",))
    with pytest.raises(CardError, match="enlarges in stages"):
        make_objective(STAGED, tiny(), fabric, card=card)
    plain = nn.Sequential(nn.Upsample(scale_factor=4), nn.Conv2d(1, 1, 1))
    with pytest.raises(CardError, match="gives its stages, 2 of them"):
        Staged(STAGED, plain, fabric, critics=critics()).step(batch())
