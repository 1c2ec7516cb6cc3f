"""Missing modality: any scan of a study from the others, judged scan by scan.

The objective of MM-GAN [1]_.

References
----------
.. [1] A. Sharma and G. Hamarneh, "Missing MRI pulse sequence synthesis using
   multi-modal generative adversarial network", IEEE TMI 39(4), 2020.
   https://doi.org/10.1109/TMI.2019.2945521
"""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import MISSING, Batch

from .base import Losses, Player, add_losses, agreed_losses
from .losses import Counts, count, supervised_losses
from .scores import error_of


class MissingModality:
    """A unified generator, and a critic with one map of scores per contrast.

    The generator learns first. Where a contrast was given, its real slice takes the
    place of the generator's before the critic sees it (implicit conditioning), and the
    critic's map for it is to say "real"; those for contrasts that were made, "fake".

    Parameters
    ----------
    config : TrainConfig
        As published: `l1_weight` 0.9, `adversarial_weight` 0.1, least-squares,
        availability curriculum.
    generator : Module
        Changed in place; equal inputs and outputs.
    fabric : Fabric
    critic : Module
        (N, 2 C, H, W), candidate and real slices, to raw scores (N, C, h, w).

    Notes
    -----
    A missing contrast is black (-1) here, as in all unified models; the published code
    divides by the mean and puts zeros. L1 is the mean over the contrasts that were
    made; contrasts that do not exist, or are neither given nor wanted, are black for
    the critic and their maps do not count.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        fabric: Fabric,
        *,
        critic: nn.Module,
    ) -> None:
        self.generator, self.critic = generator, critic
        self.n_parts = config.accumulate
        set_norm_statistics(critic, "batch")
        critic.eval()
        self._config, self._fabric = config, fabric
        self._maker = Player(config, generator, fabric)
        self._judge = Player(config, _Twice(critic), fabric)

    def step(self, batch: Batch) -> Losses:
        """Update both networks once; give detached losses.

        "total", "adversarial" and those of `supervised_losses` are the generator's,
        all but "total" without their weights.
        """
        counts, parts = count(batch, self._fabric), batch.split(self.n_parts)
        sums: Losses = {}
        candidates = self._learn(parts, counts, sums)
        self._teach(parts, candidates, counts, sums)
        return agreed_losses(sums, self._fabric)

    def _learn(self, parts: list[Batch], counts: Counts, sums: Losses) -> list[Tensor]:
        """Update the generator; give the completed studies that it had made."""
        candidates = []
        self.critic.requires_grad_(False)
        weight = self._config.adversarial_weight
        with self._maker.update():
            for part in parts:
                with self._maker.synced(part is parts[-1]):
                    output = self._maker.network(part.sources)
                    losses = supervised_losses(output, part, self._config, counts)
                    candidate = completed(output, part)
                    # Not through DDP: the critic's gradients are not wanted.
                    with self._fabric.autocast():
                        scores = self.critic(_beside(candidate, part))
                    is_real = torch.ones_like(part.given)
                    fooled = self._error(scores, is_real, part, counts, False)
                    losses["adversarial"] = fooled
                    losses["total"] = losses["total"] + weight * fooled
                    self._fabric.backward(losses["total"])
                add_losses(sums, losses)
                candidates.append(candidate.detach())
        return candidates

    def _teach(
        self,
        parts: list[Batch],
        candidates: list[Tensor],
        counts: Counts,
        sums: Losses,
    ) -> None:
        """Let the critic tell the contrasts that were made from the real ones."""
        self.critic.requires_grad_(True)
        with self._judge.update():
            for part, candidate in zip(parts, candidates, strict=True):
                with self._judge.synced(part is parts[-1]):
                    mixed, real = self._judge.network(
                        _beside(candidate, part), _beside(_known(part), part)
                    )
                    is_real = torch.ones_like(part.given)
                    on_fake = self._error(mixed, part.given, part, counts, True)
                    on_real = self._error(real, is_real, part, counts, True)
                    weight = self._config.adversarial_weight
                    self._fabric.backward(0.5 * weight * (on_fake + on_real))
                losses = {"discriminator_fake": on_fake, "discriminator_real": on_real}
                add_losses(sums, losses)

    def _error(
        self,
        scores: Tensor,
        is_real: Tensor,
        part: Batch,
        counts: Counts,
        is_critic: bool,
    ) -> Tensor:
        """Give the mean error of maps (N, C, h, w) against labels (N, C)."""
        if scores.shape[1] != is_real.shape[1]:
            raise ValueError(
                f"the critic needs one map for each of {is_real.shape[1]} contrasts, "
                f"got {scores.shape[1]}"
            )
        as_real, as_fake = (
            error_of(
                scores, self._config.gan_loss, is_real=answer, is_critic=is_critic
            ).mean(dim=(2, 3))
            for answer in (True, False)
        )
        errors = torch.where(is_real, as_real, as_fake)
        counted = part.given | part.wanted
        return (errors * counted).sum() / (counts.given + counts.wanted)

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        self._maker.set_learning_rate(rate)
        self._judge.set_learning_rate(rate)

    def state_dict(self) -> dict[str, Any]:
        """Give both networks and their optimisers."""
        return {
            "generator": self.generator.state_dict(),
            "adam": self._maker.adam.state_dict(),
            "critic": self.critic.state_dict(),
            "critic_adam": self._judge.adam.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self._maker.adam.load_state_dict(state["adam"])
        self.critic.load_state_dict(state["critic"])
        self._judge.adam.load_state_dict(state["critic_adam"])


class _Twice(nn.Module):
    """The critic on both: a single forward for DDP."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.critic(image) for image in images)


def completed(output: Tensor, part: Batch) -> Tensor:
    """Put real slices where they were given, black where nothing is known."""
    return torch.where(part.wanted[..., None, None], output, _known(part))


def _known(part: Batch) -> Tensor:
    known = part.given | part.wanted
    return torch.where(known[..., None, None], part.truth, MISSING)


def _beside(candidate: Tensor, part: Batch) -> Tensor:
    """Show a candidate and the real slices to the critic."""
    return torch.cat([candidate, _known(part)], dim=1).contiguous()
