"""UNet, the generator of pix2pix."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from .blocks import Skip
from .blocks.translation import (
    STATISTICS,
    channels_of,
    images_of,
    norm_of,
    start_small,
)
from .layout import Layout, State


class UNet(nn.Module):
    """Translate images with a U-Net that halves them down to a few pixels [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Images in and out.
    width : int
        Channels of the first level; the next have 2, 4, 8, 8, ... times as many.
    depth : int
        Levels, at least 2: 8 for the published U-Net 256, 7 for U-Net 128.
    norm : {"batch", "instance"}
        Batch norms can also use the statistics of each slice, see
        `blocks.SliceNorm2d`: the published programs test so. Instance norms have no
        learnt scales; convolutions have biases only beside them.
    dropout : float
        After the decoder's levels of 8 times `width` on both sides but the innermost,
        in training only.

    Raises
    ------
    ValueError
        If `depth` is below 2 or there is no such norm.

    Notes
    -----
    Equal to the published code but for the names of keys, see `LAYOUTS`. There, dropout
    and batch statistics stay on at test time unless asked otherwise; here dropout is
    off, and the statistics are chosen by the card.

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR 2017. https://arxiv.org/abs/1611.07004
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        width: int = 64,
        depth: int = 8,
        norm: str = "batch",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        widths = [min(2**level, 8) * width for level in range(depth)]
        has_bias = norm == "instance"
        inner: nn.Module | None = None
        for outer, channels in reversed(list(pairwise(widths))):
            is_deep = inner is not None and outer == channels == 8 * width
            inner = Skip(
                nn.LeakyReLU(0.2),
                nn.Conv2d(outer, channels, 4, 2, 1, bias=has_bias),
                [norm_of(norm, channels), inner] if inner else None,
                nn.ReLU(),
                nn.ConvTranspose2d(
                    2 * channels if inner else channels, outer, 4, 2, 1, bias=has_bias
                ),
                norm_of(norm, outer),
                nn.Dropout(dropout) if is_deep and dropout else None,
                how="cat",
            )
        self.model = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, 2, 1, bias=has_bias),
            *filter(None, [inner]),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, out_channels, 4, 2, 1),
            nn.Tanh(),
        )
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:
        """Translate `image`, (N, C, H, W) in [-1, 1], sides multiples of 2**depth."""
        return self.model(image)


def _options(state: State) -> dict[str, Any]:
    up = state["model.model.3.weight"].transpose(0, 1)
    deepest = max(key.count(".model.") for key in state)
    return {
        **channels_of(state["model.model.0.weight"], up),
        "depth": deepest,
        "norm": "batch" if "model.model.1.model.2.weight" in state else "instance",
    }


def _layout(depth: int, card: str, norm: str) -> Layout:
    innermost = rf"model\.model\.1(\.model\.3){{{depth - 2}}}\.model\.3\.weight"
    has_scales = (r"model\.model\.1\.model\.2\.weight",)
    is_batch = norm == "batch"
    return Layout(
        f"pix2pix U-Net {2**depth}, {norm} norm",
        card,
        marks=(r"model\.model\.0\.weight", innermost, *has_scales * is_batch),
        unless=has_scales * (not is_batch),
        rules=((r"^model\.model\.", "model."), (r"\.model\.", ".body.")),
        drop=(STATISTICS,) * (not is_batch),
        options=_options,
        changes=lambda state: {"size_multiple": 2**depth, **images_of(_options(state))},
    )


LAYOUTS: tuple[Layout, ...] = tuple(
    _layout(depth, card, norm)
    for depth, card in ((8, "pix2pix"), (7, "pix2pix-128"))
    for norm in ("batch", "instance")
)
