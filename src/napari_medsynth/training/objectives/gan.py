"""Adversarial: be close to the real image, and let no other network see a difference.

The objective of ResViT [1]_ and, with other settings, of pix2pix [2]_, pGAN [3]_, SRGAN
[4]_ and WGAN-VGG [5]_.

References
----------
.. [1] O. Dalmaz et al., "ResViT", IEEE TMI 41(10), 2022.
   https://arxiv.org/abs/2106.16031
.. [2] P. Isola et al., "Image-to-image translation with conditional adversarial
   networks", CVPR 2017. https://arxiv.org/abs/1611.07004
.. [3] S. U. H. Dar et al., "Image synthesis in multi-contrast MRI with conditional
   generative adversarial networks", IEEE TMI 38(10), 2019.
   https://arxiv.org/abs/1802.01221
.. [4] C. Ledig et al., CVPR 2017. https://arxiv.org/abs/1609.04802
.. [5] Q. Yang et al., IEEE TMI 37(6), 2018. https://arxiv.org/abs/1708.00961
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import MISSING, Batch

from .base import Losses, Player, add_losses, agreed_losses
from .critics import make_critic
from .gan_losses import Judgement, Verdicts, sample_error
from .losses import Counts, Output, count, last_of, supervised_losses
from .perceptual import Features


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
    width = 2 * card.neighbours + 1  # slices of each contrast
    sources = [
        channel
        for i, name in enumerate(card.inputs)
        if name not in hidden
        for channel in range(i * width, (i + 1) * width)
    ]
    outputs = [i for i, name in enumerate(card.outputs) if name in learnt]
    return JudgedChannels(sources, outputs)


class Adversarial:
    """A generator and a discriminator that learn in turn, the discriminator first.

    The discriminator sees the sources, if the settings say so, and the outputs; outputs
    that are also given are shown as they were given, outputs that are neither given nor
    wanted as black.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        Changed in place.
    fabric : Fabric
    channels : JudgedChannels
        What the discriminator sees.
    discriminator : Module, optional
        Of so many channels; without it a fresh one, as the settings say.
    features : Features, optional
        For the perceptual loss.

    Notes
    -----
    Of `critic_steps` above 1, all look at the same batch and the same outputs, as in
    WGAN-VGG; what is reported of them is the last. The discriminator's loss is not
    weighted: Adam would hardly notice, but where the weight is tiny (SRGAN's 1e-3).
    Of several outputs the discriminator sees the last.

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
        features: Features | None = None,
    ) -> None:
        self.generator, self.n_parts = generator, config.accumulate
        if not config.critic_sees_source:
            channels = JudgedChannels((), channels.outputs)
        n_channels = sum(map(len, channels))
        self.discriminator = discriminator or make_critic(config, n_channels)
        set_norm_statistics(self.discriminator, "batch")
        self.discriminator.eval()
        self._config, self._fabric, self._channels = config, fabric, channels
        self._maker = Player(config, generator, fabric)
        self._features = features
        judgement = Judgement(self.discriminator, config.gan_loss)
        self._judge = Player(config, judgement, fabric)

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
        for _ in range(self._config.critic_steps):
            taught = self._teach(parts, [last_of(one) for one in outputs], counts)
        self._learn(parts, outputs, counts, sums)
        return agreed_losses({**sums, **taught}, self._fabric)

    def _teach(
        self, parts: list[Batch], outputs: list[Tensor], counts: Counts
    ) -> Losses:
        """Let the discriminator tell outputs from real images; give its losses."""
        self.discriminator.requires_grad_(True)
        kind, sums = self._config.gan_loss, Losses()
        n_samples = sum(map(len, parts))
        shares = torch.rand(n_samples, device=outputs[0].device)
        with self._judge.update():
            for part, output, share in zip(
                parts, outputs, shares.split([*map(len, parts)]), strict=True
            ):
                with self._judge.synced(part is parts[-1]):
                    fake, real = (
                        self._shown(part, image).detach()
                        for image in (output, part.truth)
                    )
                    found = Verdicts(*self._judge.network(fake, real, share))
                    weight = self._config.gradient_penalty
                    loss = found.total(kind, weight).sum() / counts.samples
                    self._fabric.backward(loss)
                losses = {
                    "discriminator_fake": found.on_fake.sum() / counts.samples,
                    "discriminator_real": found.on_real.sum() / counts.samples,
                }
                if kind == "wasserstein-gp":
                    penalty = found.penalty.sum() / counts.samples
                    losses["gradient_penalty"] = penalty
                add_losses(sums, losses)
        return sums

    def _learn(
        self, parts: list[Batch], outputs: list[Output], counts: Counts, sums: Losses
    ) -> None:
        """Let the generator come close to the real images and fool the other."""
        self.discriminator.requires_grad_(False)
        config = self._config
        with self._maker.update():
            for part, output in zip(parts, outputs, strict=True):
                with self._maker.synced(part is parts[-1]):
                    if self.n_parts > 1:
                        output = self._maker.network(part.sources)
                    losses = supervised_losses(
                        output, part, config, counts, self._features
                    )
                    # Not through DDP: the discriminator's gradients are not wanted.
                    with self._fabric.autocast():
                        scores = self.discriminator(self._shown(part, last_of(output)))
                    errors = sample_error(
                        scores, config.gan_loss, is_real=True, is_critic=False
                    )
                    fooled = errors.sum() / counts.samples
                    losses["adversarial"] = fooled
                    weighted = config.adversarial_weight * fooled
                    losses["total"] = losses["total"] + weighted
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
