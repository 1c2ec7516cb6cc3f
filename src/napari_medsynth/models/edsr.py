"""EDSR, enhanced deep residual networks for super-resolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .blocks import (
    Enlarger,
    Skip,
    colour_range_of,
    conv,
    count,
    enlarger_options,
    enlarging,
    residual_body,
)
from .layout import Layout, State


class EDSR(Enlarger):
    """Enlarge an image with residual blocks that have no norm [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images; the mean colour is shifted only if both are 3.
    scale : int
        1, 2, 3, 4 or 8.
    width, n_blocks : int
        64 and 16 in the baseline, 256 and 32 in the paper.
    res_scale : float
        Weight of what a block adds: 1 in the baseline, 0.1 in the paper.
    colour_range : float
        Range of the colours whose mean is shifted; 0 shifts nothing.

    Notes
    -----
    Equal to the published code but for the names of keys: `LAYOUTS`. One channel, which
    that code cannot have, has no shift: its range is best centred on 0. Weights start
    as there, as PyTorch's do.

    References
    ----------
    .. [1] B. Lim et al., "Enhanced deep residual networks for single image
       super-resolution", CVPR Workshops 2017. https://arxiv.org/abs/1707.02921
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        n_blocks: int = 16,
        res_scale: float = 1.0,
        colour_range: float = 255.0,
    ) -> None:
        blocks = (
            Skip(conv(width, width), nn.ReLU(), conv(width, width), scale=res_scale)
            for _ in range(n_blocks)
        )
        super().__init__(
            residual_body(blocks, width),
            in_channels=in_channels,
            out_channels=out_channels,
            width=width,
            scale=scale,
            colour_range=colour_range,
        )


def _ours(state: State) -> dict[str, Any]:
    """Read the options from a file in our spelling."""
    read = enlarger_options(state)
    return {
        **read,
        "n_blocks": count(state, r"body\.0\.(\d+)\.body\.0\.weight"),
        # No file says it: that of the paper's size, which diverges without.
        "res_scale": 0.1 if read["width"] >= 256 else 1.0,
    }


def _reader(
    rules: tuple[tuple[str, str], ...], colour_range: Callable[[State], float]
) -> Callable[[State], dict[str, Any]]:
    spelling = Layout("", "", (), rules)

    def options(state: State) -> dict[str, Any]:
        read = _ours(spelling.renamed(state))
        return {**read, "colour_range": colour_range(state)}

    return options


def _changer(
    options: Callable[[State], dict[str, Any]], high: Callable[[State], float]
) -> Callable[[State], dict[str, Any]]:
    def changes(state: State) -> dict[str, Any]:
        read = options(state)
        return enlarging(
            read["scale"],
            is_rgb=read["in_channels"] == 3,
            value_range=(0.0, high(state)),
            overlap=(4 * read["n_blocks"] + 10) * read["scale"],
        )

    return changes


_OFFICIAL = (
    (r"^body\.(\d+)\.body\.", r"body.0.\1.body."),
    (r"^body\.\d+\.(weight|bias)$", r"body.1.\1"),
)
_BASICSR = (
    (r"^conv_first\.", "head.0."),
    (r"^body\.(\d+)\.conv1\.", r"body.0.\1.body.0."),
    (r"^body\.(\d+)\.conv2\.", r"body.0.\1.body.2."),
    (r"^conv_after_body\.", "body.1."),
    (r"^upsample\.", "tail.0."),
    (r"^conv_last\.", "tail.1."),
)
_SHIFTS = (r"(sub|add)_mean\.(weight|bias)",)
_BODY = (r"head\.0\.weight", r"body\.0\.body\.2\.weight", r"tail\.0\.0\.weight")
_RCAN = (r"body\.0\.body\.0\.body\..*",)

_official = _reader(_OFFICIAL, colour_range_of)
_super_image = _reader(_OFFICIAL, lambda state: 0.0)
_basicsr = _reader(_BASICSR, lambda state: 255.0)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "EDSR-PyTorch",
        "edsr-x2",
        marks=_BODY,
        unless=_RCAN,
        rules=_OFFICIAL,
        drop=_SHIFTS,
        options=_official,
        changes=_changer(_official, colour_range_of),
    ),
    # The very same keys, but its network never shifts the mean, and images are 0..1.
    Layout(
        "super-image (Hugging Face)",
        "edsr-x2",
        marks=(*_BODY, r"sub_mean\.bias"),
        unless=_RCAN,
        rules=_OFFICIAL,
        drop=_SHIFTS,
        options=_super_image,
        changes=_changer(_super_image, lambda state: 1.0),
    ),
    Layout(
        "BasicSR EDSR",
        "edsr-x2",
        marks=(
            r"conv_first\.weight",
            r"body\.0\.conv2\.weight",
            r"conv_after_body\.weight",
            r"upsample\.0\.weight",
        ),
        rules=_BASICSR,
        options=_basicsr,
        changes=_changer(_basicsr, lambda state: 255.0),
    ),
)
