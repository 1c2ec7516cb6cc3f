"""How wrong a critic's raw scores are, pixel by pixel."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def error_of(
    scores: Tensor, gan_loss: str, *, is_real: bool, is_critic: bool
) -> Tensor:
    """Give the error of raw scores, of their shape, float32.

    Parameters
    ----------
    scores : Tensor
    gan_loss : str
        As `TrainConfig.gan_loss`: least-squares to 1 (real) and 0, cross-entropy of
        logits, hinge, or for all others the negative or positive score itself.
    is_real : bool
        What the scores should say.
    is_critic : bool
        Whether the critic is to learn from it, or the network that wants to fool it;
        that makes a difference to hinge only.
    """
    scores, label = scores.float(), float(is_real)
    if gan_loss == "least-squares":
        return (scores - label).square()
    if gan_loss == "cross-entropy":
        return F.softplus(-scores if is_real else scores)
    signed = -scores if is_real else scores
    return F.relu(1 + signed) if gan_loss == "hinge" and is_critic else signed
