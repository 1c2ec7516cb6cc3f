"""A tiny network, a batch whose samples differ in what is given, and objectives."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.testing import assert_close

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import MISSING, Batch
from napari_medsynth.training.objectives.gan import (
    Adversarial,
    JudgedChannels,
)

SIZE = 32
GAN = TrainConfig(
    objective="gan", l1_weight=10.0, reconstruction_weight=3.0, gradient_weight=0.0
)
MIXED = TrainConfig(l2_weight=0.5, ssim_weight=0.7, gradient_weight=0.3)


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


def shown_by_hand(batch: Batch, output: Tensor) -> Tensor:
    """Sources and outputs: sample 0's first is given, sample 2's second unknown."""
    completed = output.clone()
    completed[0, 0] = batch.truth[0, 0]
    completed[2, 1] = MISSING
    return torch.cat([batch.sources, completed], dim=1)
