"""What critics of patches share: the choice of norms, of features or of weights."""

from __future__ import annotations

from typing import Self

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from .translation import norm_of

NORMS = ("batch", "instance", "spectral", "none")


class Critic(nn.Module):
    """A network whose weights can be normalised by their largest singular value."""

    def normalise_weights(self, norm: str) -> None:
        """Normalise the weight of every convolution [1]_ if `norm` is "spectral".

        Keys become ``<layer>.parametrizations.weight.original``.

        References
        ----------
        .. [1] T. Miyato et al., "Spectral normalization for generative adversarial
           networks", ICLR 2018. https://arxiv.org/abs/1802.05957
        """
        for module in list(self.modules()):
            if norm == "spectral" and isinstance(module, nn.Conv2d):
                spectral_norm(module)

    def train(self, mode: bool = True) -> Self:
        """Choose training or evaluation mode; weights are normalised in both."""
        super().train(mode)
        # Critics learn in evaluation mode, where the estimate of a weight's largest
        # singular value would otherwise stay that of the first weights.
        for module in self.modules():
            if is_parametrized(module):
                module.get_submodule("parametrizations").train()
        return self


def check_norm(norm: str) -> None:
    """Raise ValueError unless `norm` is one of `NORMS`."""
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")


def strided(before: int, channels: int, norm: str, *, stride: int) -> nn.Conv2d:
    """Give a 4x4 convolution, with biases unless a batch norm follows."""
    return nn.Conv2d(before, channels, 4, stride, padding=1, bias=norm != "batch")


def maybe_norm(norm: str, channels: int) -> nn.Module | None:
    """Give the norm layer of the features, if `norm` is one of those."""
    return norm_of(norm, channels) if norm in ("batch", "instance") else None
