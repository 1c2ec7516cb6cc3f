"""Adversarial: be close to the real image, and let no other network see a difference.

The objective of ResViT [1]_ and, with other weights, of pix2pix [2]_.

References
----------
.. [1] O. Dalmaz et al., "ResViT", IEEE TMI 41(10), 2022.
   https://arxiv.org/abs/2106.16031
.. [2] P. Isola et al., "Image-to-image translation with conditional adversarial
   networks", CVPR 2017. https://arxiv.org/abs/1611.07004
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import MISSING, Batch

from .base import Losses, Player, add_losses, agreed_losses
from .losses import Counts, count, supervised_losses


class JudgedChannels(NamedTuple):
    """What a discriminator sees, by the numbers of the generator's channels.

    Parameters
    ----------
    sources, outputs : sequence of int
        Inputs that may be given, outputs that may be wanted.
    """

    sources: Sequence[int]
    outputs: Sequence[int]


def judged_channels(card: ModelCard, targets: Sequence[str] = ()) -> JudgedChannels:
    """Give the channels that can ever hold something to judge.

    Outputs that are no target never do, and neither does the input of a unified
    model's only target: it is always hidden.
    """
    learnt = set(targets or card.outputs)
    hidden = learnt if card.is_unified and len(learnt) == 1 else set()
    sources = [i for i, name in enumerate(card.inputs) if name not in hidden]
    outputs = [i for i, name in enumerate(card.outputs) if name in learnt]
    return JudgedChannels(sources, outputs)


class Adversarial:
    """A generator and a discriminator that learn in turn, the discriminator first.

    The discriminator sees the sources and the outputs; outputs that are also given are
    shown as they were given, outputs that are neither given nor wanted as black.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        Changed in place.
    fabric : Fabric
    channels : JudgedChannels
        What the discriminator sees.
    discriminator : Module, optional
        Of so many channels; a fresh `PatchGAN` without it.

    Notes
    -----
    The discriminator normalises each slice by itself, which is what the published
    codes do at their batch size of 1, so that neither the size of a batch nor the
    number of its parts changes what is learnt. If a batch is computed in several parts,
    the generator runs twice: batch norms that are not frozen see each slice twice.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        fabric: Fabric,
        *,
        channels: JudgedChannels,
        discriminator: nn.Module | None = None,
    ) -> None:
        self.generator, self.n_parts = generator, config.accumulate
        self.discriminator = discriminator or PatchGAN(sum(map(len, channels)))
        set_norm_statistics(self.discriminator, "batch")
        self.discriminator.eval()
        self._config, self._fabric, self._channels = config, fabric, channels
        self._maker = Player(config, generator, fabric)
        self._judge = Player(config, _Each(self.discriminator), fabric)

    def step(self, batch: Batch) -> Losses:
        """Update both networks once; give detached losses.

        "total", "adversarial" and those of `supervised_losses` are the generator's,
        all but "total" without their weights.
        """
        counts, parts = count(batch, self._fabric), batch.split(self.n_parts)
        # By `n_parts`, not by the parts there are: all processes must do the same.
        with torch.set_grad_enabled(self.n_parts == 1):
            outputs = [self._maker.network(part.sources) for part in parts]
        sums: Losses = {}
        self._teach(parts, outputs, counts, sums)
        self._learn(parts, outputs, counts, sums)
        return agreed_losses(sums, self._fabric)

    def _teach(
        self, parts: list[Batch], outputs: list[Tensor], counts: Counts, sums: Losses
    ) -> None:
        """Let the discriminator tell outputs from real images."""
        self.discriminator.requires_grad_(True)
        weight = self._config.adversarial_weight
        with self._judge.update():
            for part, output in zip(parts, outputs, strict=True):
                with self._judge.synced(part is parts[-1]):
                    shown = (self._shown(part, image) for image in (output, part.truth))
                    fake, real = self._judge.network(
                        *(image.detach() for image in shown)
                    )
                    on_fake = self._distance(fake, 0.0, counts)
                    on_real = self._distance(real, 1.0, counts)
                    self._fabric.backward(0.5 * weight * (on_fake + on_real))
                losses = {"discriminator_fake": on_fake, "discriminator_real": on_real}
                add_losses(sums, losses)

    def _learn(
        self, parts: list[Batch], outputs: list[Tensor], counts: Counts, sums: Losses
    ) -> None:
        """Let the generator come close to the real images and fool the other."""
        self.discriminator.requires_grad_(False)
        weight = self._config.adversarial_weight
        with self._maker.update():
            for part, output in zip(parts, outputs, strict=True):
                with self._maker.synced(part is parts[-1]):
                    if self.n_parts > 1:
                        output = self._maker.network(part.sources)
                    losses = supervised_losses(output, part, self._config, counts)
                    # Not through DDP: the discriminator's gradients are not wanted.
                    with self._fabric.autocast():
                        scores = self.discriminator(self._shown(part, output))
                    fooled = self._distance(scores, 1.0, counts)
                    losses["adversarial"] = fooled
                    losses["total"] = losses["total"] + weight * fooled
                    self._fabric.backward(losses["total"])
                add_losses(sums, losses)

    def _shown(self, part: Batch, output: Tensor) -> Tensor:
        """Put sources and output side by side for the discriminator."""
        given, wanted = (mask[..., None, None] for mask in (part.given, part.wanted))
        known = torch.where(given, part.truth, MISSING)
        completed = torch.where(wanted, output, known)
        shown = part.sources[:, self._channels.sources]
        pair = (shown, completed[:, self._channels.outputs])
        # Norms by slice are accurate in contiguous memory only (`SliceNorm2d`).
        return torch.cat(pair, dim=1).contiguous()

    def _distance(self, scores: Tensor, label: float, counts: Counts) -> Tensor:
        """Give the distance of scores (N, 1, H, W) to a label, 1 is real."""
        labels, scores = torch.full_like(scores, label).float(), scores.float()
        if self._config.gan_loss == "least-squares":
            distances = F.mse_loss(scores, labels, reduction="none")
        else:
            distances = F.binary_cross_entropy_with_logits(
                scores, labels, reduction="none"
            )
        return distances.mean(dim=(1, 2, 3)).sum() / counts.samples

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        self._maker.set_learning_rate(rate)
        self._judge.set_learning_rate(rate)

    def state_dict(self) -> dict[str, Any]:
        """Give both networks and their optimisers."""
        return {
            "generator": self.generator.state_dict(),
            "adam": self._maker.adam.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "discriminator_adam": self._judge.adam.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self._maker.adam.load_state_dict(state["adam"])
        self.discriminator.load_state_dict(state["discriminator"])
        self._judge.adam.load_state_dict(state["discriminator_adam"])


class _Each(nn.Module):
    """Apply one network to several images: a single forward for DDP."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(image) for image in images)
