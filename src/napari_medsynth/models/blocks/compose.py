"""Small pieces that networks are put together from: skips, fusions, gates, shuffles.

Layers lie in `Sequential` in the order in which they run, so that the position of a
layer in a published network and in ours differ by a simple rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

Layer = nn.Module | None | Iterable[Any]


def conv(
    in_channels: int, out_channels: int, kernel: int = 3, **options: Any
) -> nn.Conv2d:
    """Give a convolution that keeps the size unless `padding` or `stride` differ."""
    options.setdefault("padding", kernel // 2)
    return nn.Conv2d(in_channels, out_channels, kernel, **options)


def layers(*parts: Layer) -> list[nn.Module]:
    """Flatten lists of layers and leave out None."""
    flat: list[nn.Module] = []
    for part in parts:
        if isinstance(part, nn.Module):
            flat.append(part)
        elif part is not None:
            flat += layers(*part)
    return flat


class Skip(nn.Module):
    """Join the input of some layers with their output.

    Parameters
    ----------
    *body : Module, list or None
        Layers, run one after the other.
    how : {"add", "cat", "cat_last"}
        x + scale * body(x); [x, body(x)]; or [body(x), x].
    scale : float
        Of the body, for "add".

    Attributes
    ----------
    body : Sequential
    """

    def __init__(self, *body: Layer, how: str = "add", scale: float = 1.0) -> None:
        super().__init__()
        if how not in ("add", "cat", "cat_last"):
            raise ValueError(f"how must be add, cat or cat_last, got {how!r}")
        self.body = nn.Sequential(*layers(*body))
        self.how, self.scale = how, scale

    def forward(self, image: Tensor) -> Tensor:
        """Run on (N, C, H, W)."""
        made = self.body(image)
        if self.how == "add":
            return image + (made if self.scale == 1 else self.scale * made)
        pair = (image, made) if self.how == "cat" else (made, image)
        return torch.cat(pair, dim=1)


class Fusion(nn.Module):
    """Run stages one after the other and fuse what each of them gave.

    Attributes
    ----------
    stages : ModuleList
    fuse : Sequential
        Of the outputs of all stages, the first one first.
    """

    def __init__(self, stages: Iterable[nn.Module], fuse: Layer) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.fuse = nn.Sequential(*layers(fuse))

    def forward(self, image: Tensor) -> Tensor:
        """Run on (N, C, H, W)."""
        outputs = []
        for stage in self.stages:
            image = stage(image)
            outputs.append(image)
        return self.fuse(torch.cat(outputs, dim=1))


class Parallel(nn.Module):
    """Give the same input to several branches and fuse what they gave.

    Attributes
    ----------
    branches : ModuleList
    fuse : Sequential
    """

    def __init__(self, branches: Iterable[nn.Module], fuse: Layer) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.fuse = nn.Sequential(*layers(fuse))

    def forward(self, image: Tensor) -> Tensor:
        """Run on (N, C, H, W)."""
        return self.fuse(torch.cat([branch(image) for branch in self.branches], dim=1))


class ChannelGate(nn.Module):
    """Weigh each channel by what all of them are on average [1]_.

    References
    ----------
    .. [1] Y. Zhang et al., "Image super-resolution using very deep residual channel
       attention networks", ECCV 2018. https://arxiv.org/abs/1807.02758
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            conv(channels, hidden, 1),
            nn.ReLU(),
            conv(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Weigh (N, C, H, W)."""
        return image * self.gate(image)


class LongSkip(nn.Module):
    """Head, body with a skip around it, and tail: the shape of most enlargers.

    Attributes
    ----------
    head, body, tail : Sequential
        ``tail(h + body(h))`` with ``h = head(x)``.
    """

    def __init__(self, head: Layer, body: Layer, tail: Layer) -> None:
        super().__init__()
        self.head = nn.Sequential(*layers(head))
        self.body = nn.Sequential(*layers(body))
        self.tail = nn.Sequential(*layers(tail))

    def forward(self, image: Tensor) -> Tensor:
        """Run on (N, C, H, W)."""
        start = self.head(image)
        return self.tail(start + self.body(start))


class MeanShift(nn.Conv2d):
    """Subtract (sign -1) or add (sign 1) the mean colour of DIV2K; never trained."""

    MEAN = (0.4488, 0.4371, 0.4040)

    def __init__(self, sign: int, value_range: float = 255.0) -> None:
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            self.bias.copy_(sign * value_range * torch.tensor(self.MEAN))  # type: ignore[union-attr]
        self.requires_grad_(False)


def shuffle_up(
    channels: int, scale: int, activation: type[nn.Module] | None = None
) -> list[nn.Module]:
    """Give the layers that enlarge by `scale` (1, 2, 3, 4, 8): pixel shuffle [1]_.

    Raises
    ------
    ValueError
        If `scale` is none of these.

    References
    ----------
    .. [1] W. Shi et al., "Real-time single image and video super-resolution using an
       efficient sub-pixel convolutional neural network", CVPR 2016.
       https://arxiv.org/abs/1609.05158
    """
    factors = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
    if scale not in factors:
        raise ValueError(f"scale must be 1, 2, 3, 4 or 8, got {scale}")
    return layers(
        [
            conv(channels, factor**2 * channels),
            nn.PixelShuffle(factor),
            activation() if activation else None,
        ]
        for factor in factors[scale]
    )
