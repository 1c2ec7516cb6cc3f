"""What a critic learns from: its scores of made and real images, and its slope.

References
----------
.. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017.
   https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .scores import error_of

_TINY = 1e-16  # keeps the gradient of a norm finite at 0


class Verdicts(NamedTuple):
    """Errors of a critic, of each sample, (N,) float32.

    Parameters
    ----------
    on_fake, on_real, penalty : Tensor
        Errors on made and on real images; the gradient penalty, 0 without one.
    """

    on_fake: Tensor
    on_real: Tensor
    penalty: Tensor

    def total(self, gan_loss: str, penalty_weight: float) -> Tensor:
        """Give the loss of each sample, (N,).

        Half the sum of both errors, as pix2pix, CycleGAN and pGAN; their whole sum for
        hinge and Wasserstein losses, as published, plus the weighted penalty.
        """
        is_half = gan_loss in ("least-squares", "cross-entropy")
        both = self.on_fake + self.on_real
        return (0.5 * both if is_half else both) + penalty_weight * self.penalty


class Judgement(nn.Module):
    """A critic's errors in one forward, penalty included, as DDP wants it.

    Parameters
    ----------
    critic : Module
        (N, C, H, W) to raw scores (N, ..).
    gan_loss : str
        As `TrainConfig.gan_loss`.
    """

    def __init__(self, critic: nn.Module, gan_loss: str) -> None:
        super().__init__()
        self.network = critic
        self._kind = gan_loss

    def forward(self, fake: Tensor, real: Tensor, share: Tensor) -> Verdicts:
        """Judge made and real images; `share` (N,) mixes them for the penalty."""
        scores = self.network(fake), self.network(real)
        on_fake, on_real = (
            sample_error(one, self._kind, is_real=is_real, is_critic=True)
            for one, is_real in zip(scores, (False, True), strict=True)
        )
        if self._kind == "wasserstein-gp":
            penalty = gradient_penalty(self.network, fake, real, share)
        else:
            penalty = torch.zeros_like(on_fake)
        return Verdicts(on_fake, on_real, penalty)


def sample_error(
    scores: Tensor, gan_loss: str, *, is_real: bool, is_critic: bool
) -> Tensor:
    """Give the mean error of all scores of each sample, (N,); see `error_of`."""
    errors = error_of(scores, gan_loss, is_real=is_real, is_critic=is_critic)
    return errors.flatten(1).mean(dim=1)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], fake: Tensor, real: Tensor, share: Tensor
) -> Tensor:
    """Give ``(norm of the critic's gradient - 1) ** 2`` between images, (N,) [1]_.

    Parameters
    ----------
    critic : callable
        (N, C, H, W) to scores (N, ..).
    fake, real : Tensor
        (N, C, H, W); the gradient is taken at ``share * real + (1 - share) * fake``.
    share : Tensor
        (N,) in [0, 1]: one for all pixels of a sample.

    Notes
    -----
    The norm is over all channels and pixels of a sample; the score of a map of patches
    is its mean, as in the loss. In float32 always. Samples must not see each other in
    the critic: its norms, if any, are by slice.
    """
    with torch.autocast(fake.device.type, enabled=False):
        weights = share.float().view(-1, 1, 1, 1)
        mixed = weights * real.float() + (1 - weights) * fake.float()
        mixed = mixed.detach().requires_grad_()
        score = critic(mixed).flatten(1).mean(dim=1).sum()
        (slope,) = torch.autograd.grad(score, mixed, create_graph=True)
    norm = (slope.flatten(1) + _TINY).norm(dim=1)
    return (norm - 1).square()
