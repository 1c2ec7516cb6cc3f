"""Let a network that was made for other numbers take and give images in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    Output = Tensor | tuple[Tensor, ...]


def adapt(
    network: nn.Module,
    *,
    low: float = -1.0,
    high: float = 1.0,
    is_rgb: bool = False,
    scale: int = 1,
) -> nn.Module:
    """Convert what `network` takes and gives; give it back, its keys unchanged.

    Parameters
    ----------
    network : Module
        Changed in place: hooks are added, which copies of it keep.
    low, high : float
        What stands for -1 and 1 in its input and output.
    is_rgb : bool
        Show each channel three times; average each three of the output.
    scale : int
        Show every `scale`-th pixel: the network enlarges them again. Images (N, C, H,
        W) whose sides are multiples of it, each pixel of the coarse image repeated.
    """
    is_plain = (low, high, is_rgb, scale) == (-1.0, 1.0, False, 1)
    if not is_plain:
        network.register_forward_pre_hook(_Before(low, high, is_rgb, scale))
        network.register_forward_hook(_After(low, high, is_rgb))
    return network


@dataclass(frozen=True)
class _Before:
    low: float
    high: float
    is_rgb: bool
    scale: int

    def __call__(self, network: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        image, *others = args
        image = image[..., :: self.scale, :: self.scale]
        if self.is_rgb:
            image = image.repeat_interleave(3, dim=1)
        if (self.low, self.high) != (-1.0, 1.0):
            image = (image + 1) * ((self.high - self.low) / 2) + self.low
        return image, *others


@dataclass(frozen=True)
class _After:
    low: float
    high: float
    is_rgb: bool

    def __call__(
        self, network: nn.Module, args: tuple[Any, ...], output: Output
    ) -> Output:
        if isinstance(output, tuple):
            return tuple(self._converted(image) for image in output)
        return self._converted(output)

    def _converted(self, image: Tensor) -> Tensor:
        if (self.low, self.high) != (-1.0, 1.0):
            image = (image - self.low) * (2 / (self.high - self.low)) - 1
        if self.is_rgb:
            image = image.unflatten(1, (-1, 3)).mean(dim=2)
        return image
