"""Staged: enlarge step by step, each result closer to the real image than the last.

The objective of P-GAN [1]_, read from its abstract: its full text and code were not
available, so that all weights and the form of the triplet loss are ours.

References
----------
.. [1] D. Mahapatra, B. Bozorgtabar, R. Garnavi, "Image super-resolution using
   progressive generative adversarial networks for medical image analysis",
   Computerized Medical Imaging and Graphics 71, 2019. https://arxiv.org/abs/1902.02144
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from napari_medsynth.errors import CardError
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import Batch

from .base import Losses, Player, add_losses, agreed_losses
from .losses import Counts, count, supervised_losses
from .scores import error_of

Features = Callable[[Tensor], Tensor]
Stages = tuple[Tensor, ...]


class Staged:
    """A generator that gives each of its stages, and a critic for each stage.

    Stage k is compared with the real image at its size (means over square blocks of
    pixels): by the pixel losses, by features, by its critic, and from the second stage
    on by a triplet loss, whose anchor is the real image, positive this stage's output
    and negative the last stage's, enlarged bicubically and not learnt from.

    Parameters
    ----------
    config : TrainConfig
        Pixel losses, `perceptual_weight`, `adversarial_weight`, `triplet_margin`.
    generator : Module
        Changed in place; in training mode gives a tuple of images (N, C, h, w), the
        last of the truth's size, each side of which is a multiple of its own.
    fabric : Fabric
    critics : sequence of Module
        One per stage; images (N, C, h, w) to raw scores (N, ..).
    features : callable or None
        What images are compared by, (N, C, H, W) to any tensor (N, ..). None, which is
        so where `perceptual_weight` is 0, compares pixels.

    Notes
    -----
    The critics learn first, as in SRGAN. The triplet loss is ``max(0, d(real, this) -
    d(real, last) + margin)`` of each image, d the mean squared difference of features.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        fabric: Fabric,
        *,
        critics: Sequence[nn.Module],
        features: Features | None = None,
    ) -> None:
        self.generator, self.n_parts = generator, config.accumulate
        self.critics = nn.ModuleList(critics)
        set_norm_statistics(self.critics, "batch")
        self.critics.eval()
        self._config, self._fabric = config, fabric
        self._features = features
        self._maker = Player(config, generator, fabric)
        self._judges = Player(config, _Judges(self.critics), fabric)

    def step(self, batch: Batch) -> Losses:
        """Update all networks once; give detached losses.

        "total", "adversarial", "triplet" and "perceptual" (means over the stages) and
        those of `supervised_losses` (of the last stage) are the generator's, all but
        "total" without their weights.
        """
        counts, parts = count(batch, self._fabric), batch.split(self.n_parts)
        sums: Losses = {}
        # By `n_parts`, not by the parts there are: all processes must do the same.
        with torch.set_grad_enabled(self.n_parts == 1):
            made = [self._stages(part) for part in parts]
        self._teach(parts, made, counts, sums)
        self._learn(parts, made, counts, sums)
        return agreed_losses(sums, self._fabric)

    def _stages(self, part: Batch) -> Stages:
        made = self._maker.network(part.sources)
        if not isinstance(made, tuple) or len(made) != len(self.critics):
            raise CardError(
                "objective staged needs a network that gives its stages, "
                f"{len(self.critics)} of them: choose a staged model, or another "
                "objective."
            )
        return made

    def _teach(
        self, parts: list[Batch], stages: list[Stages], counts: Counts, sums: Losses
    ) -> None:
        """Let each critic tell its stage's outputs from real images of that size."""
        self.critics.requires_grad_(True)
        weight = self._config.adversarial_weight
        with self._judges.update():
            for part, images in zip(parts, stages, strict=True):
                made = [image.detach() for image in images]
                real = [at_size_of(part.truth, image) for image in made]
                with self._judges.synced(part is parts[-1]):
                    scores = self._judges.network(*made, *real)
                    errors = [
                        self._verdict(one, part, counts, number >= len(made), True)
                        for number, one in enumerate(scores)
                    ]
                    on_fake = sum(errors[: len(made)], part.truth.new_zeros(()))
                    on_real = sum(errors[len(made) :], part.truth.new_zeros(()))
                    self._fabric.backward(0.5 * weight * (on_fake + on_real))
                losses = {
                    "discriminator_fake": on_fake / len(made),
                    "discriminator_real": on_real / len(made),
                }
                add_losses(sums, losses)

    def _learn(
        self, parts: list[Batch], stages: list[Stages], counts: Counts, sums: Losses
    ) -> None:
        """Let the generator come close at each stage, and fool the critics."""
        self.critics.requires_grad_(False)
        with self._maker.update():
            for part, images in zip(parts, stages, strict=True):
                with self._maker.synced(part is parts[-1]):
                    made = images if self.n_parts == 1 else self._stages(part)
                    losses = self._losses(made, part, counts)
                    self._fabric.backward(losses["total"])
                add_losses(sums, losses)

    def _losses(self, made: Stages, part: Batch, counts: Counts) -> dict[str, Tensor]:
        config, share = self._config, len(part) / counts.samples
        total = part.truth.new_zeros(())
        sums = {"adversarial": total, "triplet": total, "perceptual": total}
        pixels: dict[str, Tensor] = {}
        for number, (image, critic) in enumerate(zip(made, self.critics, strict=True)):
            truth = at_size_of(part.truth, image)
            stage = Batch(part.sources, truth, part.given, part.wanted)
            pixels = supervised_losses(image, stage, config, counts)
            # Not through DDP: the critics' gradients are not wanted.
            with self._fabric.autocast():
                scores = critic(image.contiguous())
            fooled = self._verdict(scores, part, counts, True, False)
            near = self._distance(image, truth)
            sums["perceptual"] = sums["perceptual"] + share * near.mean()
            sums["adversarial"] = sums["adversarial"] + fooled
            total = total + pixels["total"] + config.adversarial_weight * fooled
            if number:
                last = enlarged(made[number - 1].detach(), image)
                far = self._distance(last, truth)
                one = share * F.relu(near - far + config.triplet_margin).mean()
                sums["triplet"] = sums["triplet"] + one
        weight = config.perceptual_weight
        total = total + sums["triplet"] + weight * sums["perceptual"]
        if self._features is None:
            del sums["perceptual"]
        means = {name: value / len(made) for name, value in sums.items()}
        return {**pixels, **means, "total": total}

    def _distance(self, image: Tensor, truth: Tensor) -> Tensor:
        """Give the mean squared difference of features of each image, (N,)."""
        of = self._features or (lambda pixels: pixels)
        return (of(image) - of(truth)).square().flatten(1).mean(dim=1)

    def _verdict(
        self,
        scores: Tensor,
        part: Batch,
        counts: Counts,
        is_real: bool,
        is_critic: bool,
    ) -> Tensor:
        kind = self._config.gan_loss
        errors = error_of(scores, kind, is_real=is_real, is_critic=is_critic)
        return errors.mean() * len(part) / counts.samples

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        self._maker.set_learning_rate(rate)
        self._judges.set_learning_rate(rate)

    def state_dict(self) -> dict[str, Any]:
        """Give all networks and both optimisers."""
        return {
            "generator": self.generator.state_dict(),
            "adam": self._maker.adam.state_dict(),
            "critics": self.critics.state_dict(),
            "critics_adam": self._judges.adam.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self._maker.adam.load_state_dict(state["adam"])
        self.critics.load_state_dict(state["critics"])
        self._judges.adam.load_state_dict(state["critics_adam"])


class _Judges(nn.Module):
    """Each critic on the image of its stage, made and real: a single forward."""

    def __init__(self, critics: nn.ModuleList) -> None:
        super().__init__()
        self.critics = critics

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        n = len(self.critics)
        return tuple(
            self.critics[number % n](image.contiguous())
            for number, image in enumerate(images)
        )


def at_size_of(truth: Tensor, image: Tensor) -> Tensor:
    """Average blocks of pixels so that `truth` has the size of `image`."""
    factor = truth.shape[-1] // image.shape[-1]
    return truth if factor == 1 else F.avg_pool2d(truth, factor)


def enlarged(image: Tensor, like: Tensor) -> Tensor:
    """Enlarge an image bicubically, area on area, to the size of another."""
    return F.interpolate(
        image.float(), like.shape[-2:], mode="bicubic", align_corners=False
    )
