"""RCAN, very deep residual channel attention networks for super-resolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .blocks import (
    ChannelGate,
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

OVERLAP = 120  # pixel; a multiple of every scale


class RCAN(Enlarger):
    """Enlarge an image with groups of residual blocks that weigh their channels [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images; the mean colour is shifted only if both are 3.
    scale : int
        1, 2, 3, 4 or 8.
    width, n_groups, n_blocks : int
        Channels between the layers; groups, and blocks in each.
    reduction : int
        How many times fewer channels the gates have inside.
    colour_range : float
        Range of the colours whose mean is shifted; 0 shifts nothing.

    Raises
    ------
    ValueError
        If `reduction` is larger than `width`.

    Notes
    -----
    Equal to the published code but for the names of keys: `LAYOUTS`. One channel has no
    mean shift. The gates average over all that they are shown, so that an image run in
    tiles is not quite that of the whole. Weights start as there, as PyTorch's do.

    References
    ----------
    .. [1] Y. Zhang et al., "Image super-resolution using very deep residual channel
       attention networks", ECCV 2018. https://arxiv.org/abs/1807.02758
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        n_groups: int = 10,
        n_blocks: int = 20,
        reduction: int = 16,
        colour_range: float = 255.0,
    ) -> None:
        if not 1 <= reduction <= width:
            raise ValueError(
                f"reduction must be from 1 to width {width}, got {reduction}"
            )
        groups = (_group(width, n_blocks, reduction) for _ in range(n_groups))
        super().__init__(
            residual_body(groups, width),
            in_channels=in_channels,
            out_channels=out_channels,
            width=width,
            scale=scale,
            colour_range=colour_range,
        )


def _group(width: int, n_blocks: int, reduction: int) -> Skip:
    blocks = (
        Skip(
            conv(width, width),
            nn.ReLU(),
            conv(width, width),
            ChannelGate(width, reduction),
        )
        for _ in range(n_blocks)
    )
    return Skip(residual_body(blocks, width))


def _ours(state: State) -> dict[str, Any]:
    """Read the options from a file in our spelling."""
    read = enlarger_options(state)
    hidden = state["body.0.0.body.0.0.body.3.gate.1.weight"].shape[0]
    return {
        **read,
        "n_groups": count(state, r"body\.0\.(\d+)\.body\.1\.weight"),
        "n_blocks": count(state, r"body\.0\.0\.body\.0\.(\d+)\.body\.0\.weight"),
        "reduction": read["width"] // hidden,
    }


def _reader(
    rules: tuple[tuple[str, str], ...],
) -> Callable[[State], dict[str, Any]]:
    spelling = Layout("", "", (), rules)

    def options(state: State) -> dict[str, Any]:
        return {
            **_ours(spelling.renamed(state)),
            "colour_range": colour_range_of(state),
        }

    return options


def _changer(
    options: Callable[[State], dict[str, Any]],
) -> Callable[[State], dict[str, Any]]:
    def changes(state: State) -> dict[str, Any]:
        read = options(state)
        return enlarging(
            read["scale"],
            is_rgb=read["in_channels"] == 3,
            value_range=(0.0, read["colour_range"]),
            overlap=OVERLAP,
        )

    return changes


# The group's own convolution first: after the next rule it would look like a block's.
_OFFICIAL = (
    (r"^body\.(\d+)\.body\.\d+\.(weight|bias)$", r"body.0.\1.body.1.\2"),
    (r"^body\.(\d+)\.body\.(\d+)\.body\.", r"body.0.\1.body.0.\2.body."),
    (r"^body\.\d+\.(weight|bias)$", r"body.1.\1"),
    (r"\.conv_du\.0\.", ".gate.1."),
    (r"\.conv_du\.2\.", ".gate.3."),
)
_BASICSR = (
    (r"^conv_first\.", "head.0."),
    (r"^body\.(\d+)\.residual_group\.(\d+)\.rcab\.", r"body.0.\1.body.0.\2.body."),
    (r"^body\.(\d+)\.conv\.", r"body.0.\1.body.1."),
    (r"\.attention\.", ".gate."),
    (r"^conv_after_body\.", "body.1."),
    (r"^upsample\.", "tail.0."),
    (r"^conv_last\.", "tail.1."),
)

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "RCAN",
        "rcan-x2",
        marks=(r"head\.0\.weight", r"body\.0\.body\.0\.body\.3\.conv_du\.0\.weight"),
        rules=_OFFICIAL,
        drop=(r"(sub|add)_mean\.(weight|bias)",),
        options=_reader(_OFFICIAL),
        changes=_changer(_reader(_OFFICIAL)),
    ),
    Layout(
        "BasicSR RCAN",
        "rcan-x2",
        marks=(
            r"conv_first\.weight",
            r"body\.0\.residual_group\.0\.rcab\.3\.attention\.1\.weight",
        ),
        rules=_BASICSR,
        options=_reader(_BASICSR),
        changes=_changer(_reader(_BASICSR)),
    ),
)
