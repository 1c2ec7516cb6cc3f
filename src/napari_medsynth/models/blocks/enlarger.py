"""What the networks that enlarge images share: their shape, and what files tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import isqrt, prod
from typing import Any

from torch import Tensor, nn

from .compose import Layer, LongSkip, MeanShift, conv, layers, shuffle_up

TILE, MAX_OVERLAP = 504, 336  # pixel; multiples of every scale


class Enlarger(LongSkip):
    """A convolution, a body with a skip around it, pixel shuffles, a convolution.

    Parameters
    ----------
    body : Module or list
        Layers from `width` to `width` channels.
    in_channels, out_channels, width : int
        Channels of the images and between the layers.
    scale : int
        1, 2, 3, 4 or 8.
    colour_range : float
        With three channels in and out, the share of it that is the mean colour of DIV2K
        is subtracted before and added after: 255 for images in 0..255; 0 never.
    """

    def __init__(
        self,
        body: Layer,
        *,
        in_channels: int,
        out_channels: int,
        width: int,
        scale: int,
        colour_range: float,
    ) -> None:
        super().__init__(
            conv(in_channels, width),
            body,
            [nn.Sequential(*shuffle_up(width, scale)), conv(width, out_channels)],
        )
        is_colour = in_channels == out_channels == 3
        self.colour_range = colour_range if is_colour else 0.0

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        if not self.colour_range:
            return super().forward(image)
        mean = image.new_tensor(MeanShift.MEAN).view(3, 1, 1) * self.colour_range
        return super().forward(image - mean) + mean


def residual_body(blocks: Iterable[nn.Module], width: int) -> list[nn.Module]:
    """Give blocks and a convolution after them, keys "0.<block>" and "1"."""
    return layers(nn.Sequential(*blocks), conv(width, width))


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Give how many blocks a file has: one more than the highest first group."""
    found = (re.fullmatch(pattern, key) for key in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def scale_of(weights: Iterable[Tensor]) -> int:
    """Give the scale of convolutions in a row with pixel shuffles between them."""
    return prod(isqrt(a.shape[0] // b.shape[1]) for a, b in pairwise(weights))


def enlarger_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Give the options of an `Enlarger` that follow from weights in our spelling."""
    head, last = state["head.0.weight"], state["tail.1.weight"]
    keys = [f"tail.0.{i}.weight" for i in (0, 2, 4)]
    return {
        "in_channels": head.shape[1],
        "out_channels": last.shape[0],
        "scale": scale_of([*(state[key] for key in keys if key in state), last]),
        "width": head.shape[0],
    }


def colour_range_of(state: Mapping[str, Tensor]) -> float:
    """Read the range of the images from the mean that is added; 255 if none is."""
    if "add_mean.bias" not in state:
        return 255.0
    return round(state["add_mean.bias"][0].item() / MeanShift.MEAN[0], 2)


def enlarging(
    scale: int, *, is_rgb: bool, value_range: tuple[float, float], overlap: int
) -> dict[str, Any]:
    """Give the fields of a card that follow from a scale, for `Layout.changes`.

    `overlap` is twice what a pixel of the result sees on one side; no more of it is
    taken than two thirds of a tile.
    """
    return {
        "scale": scale,
        "size_multiple": scale,
        "is_rgb": is_rgb,
        "value_range": value_range,
        "tile": TILE,
        "overlap": min(overlap, MAX_OVERLAP),
        "degradation": {
            "kind": "downsample",
            "factor": [scale, scale],
            "method": "bicubic",
        },
    }
