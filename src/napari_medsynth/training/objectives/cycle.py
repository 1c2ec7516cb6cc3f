"""Cycle: learn from images that show different subjects, by going there and back.

The objective of CycleGAN [1]_; with other weights and no identity, that of cGAN [2]_.

References
----------
.. [1] J.-Y. Zhu et al., "Unpaired image-to-image translation using cycle-consistent
   adversarial networks", ICCV 2017. https://arxiv.org/abs/1703.10593
.. [2] S. U. H. Dar et al., "Image synthesis in multi-contrast MRI with conditional
   generative adversarial networks", IEEE TMI 38(10), 2019.
   https://doi.org/10.1109/TMI.2019.2901750
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import Batch

from .base import Losses, Player, add_losses, agreed_losses
from .losses import Counts, count
from .pool import ImagePool
from .scores import error_of

_POOL = 7  # of the random numbers that depend on seed, this, step and process


class Cycle:
    """Two generators and two critics; the generators learn first.

    `generator`, source to target, is what is kept; `back`, target to source, stays in
    the checkpoint only. ``critics[0]`` judges targets, ``critics[1]`` sources, each by
    the image alone.

    Parameters
    ----------
    config : TrainConfig
        `cycle_weight`, `identity_weight` (a share of it), `adversarial_weight`,
        `gan_loss` and `pool_size`; the pixel losses are not used.
    generator, back : Module
        Changed in place.
    fabric : Fabric
    critics : tuple of Module
        Of targets, of sources; (N, C, H, W) to raw scores (N, 1, h, w).

    Notes
    -----
    As published: one Adam for both generators, one for both critics, which see the
    real images and what the generators made before this update, exchanged with earlier
    results (`ImagePool`). Images of other sizes may come out of a pool: the critics
    judge images of one size together. What a pool does follows from seed and step; of
    several processes, each has its own, and the checkpoint holds that of the first.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        back: nn.Module,
        fabric: Fabric,
        *,
        critics: tuple[nn.Module, nn.Module],
    ) -> None:
        self.generator, self.back = generator, back
        self.critics, self.n_parts = critics, config.accumulate
        self._config, self._fabric = config, fabric
        back.to(fabric.device)
        for critic in critics:
            set_norm_statistics(critic, "batch")
            critic.eval()
        has_identity = bool(config.identity_weight and config.cycle_weight)
        self._makers = Player(config, _Makers(generator, back, has_identity), fabric)
        self._judges = Player(config, _Judges(*critics), fabric)
        self._pools = (ImagePool(config.pool_size), ImagePool(config.pool_size))
        self._step = 0

    def step(self, batch: Batch) -> Losses:
        """Update all four networks once; give detached losses.

        All but "total", which is the generators', are without their weights.
        "adversarial", "cycle" and "identity" are of the source's side (the network that
        is kept), those ending in "_back" of the other; so are "discriminator_real" and
        "discriminator_fake".
        """
        for one, other in zip(
            self.generator.modules(), self.back.modules(), strict=True
        ):
            other.training = one.training
        counts, parts = count(batch, self._fabric), batch.split(self.n_parts)
        sums: Losses = {}
        made = self._learn(parts, counts, sums)
        self._teach(parts, made, counts, sums)
        self._step += 1
        return agreed_losses(sums, self._fabric)

    def _learn(
        self, parts: list[Batch], counts: Counts, sums: Losses
    ) -> list[tuple[Tensor, Tensor]]:
        """Update the generators; give the targets and sources that they had made."""
        made: list[tuple[Tensor, Tensor]] = []
        for critic in self.critics:
            critic.requires_grad_(False)
        with self._makers.update():
            for part in parts:
                with self._makers.synced(part is parts[-1]):
                    images = _Images(*self._makers.network(part.sources, part.truth))
                    losses = self._losses(images, part, counts)
                    self._fabric.backward(losses["total"])
                add_losses(sums, losses)
                made.append((images.target.detach(), images.source.detach()))
        return made

    def _losses(self, made: _Images, part: Batch, counts: Counts) -> Losses:
        config, share = self._config, len(part) / counts.samples
        # Not through DDP: the gradients of the critics are not wanted.
        with self._fabric.autocast():
            scores = [
                critic(image.contiguous())
                for critic, image in zip(
                    self.critics, (made.target, made.source), strict=True
                )
            ]
        losses = {
            "adversarial": share * self._fooled(scores[0]),
            "adversarial_back": share * self._fooled(scores[1]),
            "cycle": share * _l1(made.source_again, part.sources),
            "cycle_back": share * _l1(made.target_again, part.truth),
        }
        weight = config.cycle_weight
        total = config.adversarial_weight * (
            losses["adversarial"] + losses["adversarial_back"]
        ) + weight * (losses["cycle"] + losses["cycle_back"])
        if made.same_target is not None and made.same_source is not None:
            losses["identity"] = share * _l1(made.same_target, part.truth)
            losses["identity_back"] = share * _l1(made.same_source, part.sources)
            both = losses["identity"] + losses["identity_back"]
            total = total + weight * config.identity_weight * both
        return {"total": total, **losses}

    def _teach(
        self,
        parts: list[Batch],
        made: list[tuple[Tensor, Tensor]],
        counts: Counts,
        sums: Losses,
    ) -> None:
        """Let the critics tell real images from earlier and new results."""
        for critic in self.critics:
            critic.requires_grad_(True)
        rng = np.random.default_rng(
            (self._config.seed, _POOL, self._step, self._fabric.global_rank)
        )
        weight = self._config.adversarial_weight
        with self._judges.update():
            for part, images in zip(parts, made, strict=True):
                fakes = [
                    pool.query(image, rng)
                    for pool, image in zip(self._pools, images, strict=True)
                ]
                with self._judges.synced(part is parts[-1]):
                    shown = (fakes[0], part.truth, fakes[1], part.sources)
                    losses = self._verdicts(shown, len(part) / counts.samples)
                    both = [weight * value for value in losses.values()]
                    self._fabric.backward(0.5 * sum(both[1:], both[0]))
                add_losses(sums, losses)

    def _verdicts(
        self, shown: Sequence[Iterable[Tensor]], share: Tensor
    ) -> dict[str, Tensor]:
        """Give how wrong the critics are about fake and real images of both sides."""
        names = (
            *("discriminator_fake", "discriminator_real"),
            *("discriminator_fake_back", "discriminator_real_back"),
        )
        losses = {}
        all_scores = self._judges.network(*map(list, shown))
        for name, groups in zip(names, all_scores, strict=True):
            is_real = "real" in name
            n = sum(len(scores) for scores in groups)
            each = [
                len(scores) / n * self._error(scores, is_real=is_real)
                for scores in groups
            ]
            losses[name] = share * sum(each[1:], each[0])
        return losses

    def _fooled(self, scores: Tensor) -> Tensor:
        kind = self._config.gan_loss
        return error_of(scores, kind, is_real=True, is_critic=False).mean()

    def _error(self, scores: Tensor, *, is_real: bool) -> Tensor:
        kind = self._config.gan_loss
        return error_of(scores, kind, is_real=is_real, is_critic=True).mean()

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        self._makers.set_learning_rate(rate)
        self._judges.set_learning_rate(rate)

    def state_dict(self) -> dict[str, Any]:
        """Give the four networks, both optimisers and both pools."""
        return {
            "generator": self.generator.state_dict(),
            "back": self.back.state_dict(),
            "adam": self._makers.adam.state_dict(),
            "critics": [critic.state_dict() for critic in self.critics],
            "critics_adam": self._judges.adam.state_dict(),
            "pools": [pool.state_dict() for pool in self._pools],
            "step": self._step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self.back.load_state_dict(state["back"])
        self._makers.adam.load_state_dict(state["adam"])
        for critic, values in zip(self.critics, state["critics"], strict=True):
            critic.load_state_dict(values)
        self._judges.adam.load_state_dict(state["critics_adam"])
        for pool, values in zip(self._pools, state["pools"], strict=True):
            pool.load_state_dict(values)
        self._step = int(state["step"])


class _Images(NamedTuple):
    """What the generators make of a source and of a target."""

    target: Tensor
    source_again: Tensor
    source: Tensor
    target_again: Tensor
    same_target: Tensor | None = None
    same_source: Tensor | None = None


class _Makers(nn.Module):
    """Both generators: a single forward for DDP."""

    def __init__(self, there: nn.Module, back: nn.Module, has_identity: bool) -> None:
        super().__init__()
        self.there, self.back, self._has_identity = there, back, has_identity

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        fake_target, fake_source = self.there(source), self.back(target)
        again = (self.back(fake_target), self.there(fake_source))
        cycles = (fake_target, again[0], fake_source, again[1])
        if not self._has_identity:
            return cycles
        return (*cycles, self.there(target), self.back(source))


class _Judges(nn.Module):
    """Both critics, on fakes and real images of each side: a single forward."""

    def __init__(self, of_targets: nn.Module, of_sources: nn.Module) -> None:
        super().__init__()
        self.critics = nn.ModuleList([of_targets, of_sources])

    def forward(self, *shown: list[Tensor]) -> tuple[list[Tensor], ...]:
        return tuple(
            [self.critics[number // 2](group) for group in by_size(images)]
            for number, images in enumerate(shown)
        )


def by_size(images: Iterable[Tensor]) -> list[Tensor]:
    """Stack images (C, H, W) of equal sizes."""
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for image in images:
        groups.setdefault(tuple(image.shape), []).append(image)
    return [torch.stack(group) for group in groups.values()]


def _l1(image: Tensor, truth: Tensor) -> Tensor:
    return (image - truth).abs().mean()
