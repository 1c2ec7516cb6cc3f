"""Dropout that stays on while a model is used, and draws the same again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHANNEL_WISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_KINDS = (nn.Dropout, *_CHANNEL_WISE)


class SeededDropout(nn.Module):
    """Dropout in evaluation mode too, with random numbers of its own.

    Parameters
    ----------
    p : float
        Share of the numbers, or whole channels, that become 0.
    is_channel_wise : bool
        Drop whole channels.
    seed : int
        Another one draws others; the global random numbers are not touched, which other
        threads use too.
    """

    def __init__(self, p: float, *, is_channel_wise: bool, seed: int) -> None:
        super().__init__()
        self.p, self.is_channel_wise, self.seed = p, is_channel_wise, seed
        self._generator: torch.Generator | None = None

    def forward(self, image: Tensor) -> Tensor:
        """Drop, and scale what is left so that the mean stays."""
        if self._generator is None or self._generator.device.type != image.device.type:
            self._generator = torch.Generator(image.device).manual_seed(self.seed)
        shape = image.shape
        if self.is_channel_wise:
            shape = torch.Size((*shape[:2], *(1,) * (image.ndim - 2)))
        drawn = torch.rand(shape, generator=self._generator, device=image.device)
        return image * (drawn >= self.p) / (1 - self.p)


def drops(network: nn.Module) -> bool:
    """Tell whether a network has dropout that does anything."""
    return any(isinstance(m, _KINDS) and m.p > 0 for m in network.modules())


def with_dropout(network: nn.Module, seed: int) -> nn.Module:
    """Replace the dropout of `network`, in place, by one that is always on."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _KINDS) and 0 < child.p < 1:
                kept = SeededDropout(
                    child.p,
                    is_channel_wise=isinstance(child, _CHANNEL_WISE),
                    seed=seed,
                )
                setattr(module, name, kept)
                seed += 1
    return network
