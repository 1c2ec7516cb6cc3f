"""RDN, residual dense networks for super-resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from .blocks import Fusion, LongSkip, Skip, conv, count, enlarging, scale_of
from .layout import Layout, State

OVERLAP = 252  # pixel; a multiple of every scale, and half a tile


class RDN(LongSkip):
    """Enlarge an image with densely connected blocks, all of which are fused [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images.
    scale : int
        2, 3, 4 or 8.
    width : int
        Channels between the blocks (G0 in the paper).
    growth : int
        Channels that each dense layer adds (G), and of the enlarged features.
    n_blocks, n_layers : int
        Dense blocks, and layers in each: 16 and 8 in the paper's B, 20 and 6 with
        `growth` 32 in its A.

    Raises
    ------
    ValueError
        If `scale` is none of these.

    Notes
    -----
    Equal to the PyTorch version that the authors name, but for the names of keys:
    `LAYOUTS`. There is no mean shift. Weights start as there, as PyTorch's do.

    References
    ----------
    .. [1] Y. Zhang et al., "Residual dense network for image super-resolution", CVPR
       2018. https://arxiv.org/abs/1802.08797
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        growth: int = 64,
        n_blocks: int = 16,
        n_layers: int = 8,
    ) -> None:
        blocks = (_block(width, growth, n_layers) for _ in range(n_blocks))
        fuse = [conv(n_blocks * width, width, 1), conv(width, width)]
        super().__init__(
            conv(in_channels, width),
            [conv(width, width), Fusion(blocks, fuse)],
            [_enlarge(width, growth, scale), conv(growth, out_channels)],
        )

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        return super().forward(image)


def _block(width: int, growth: int, n_layers: int) -> Skip:
    dense = (
        Skip(conv(width + i * growth, growth), nn.ReLU(), how="cat")
        for i in range(n_layers)
    )
    return Skip(nn.Sequential(*dense), conv(width + n_layers * growth, width, 1))


def _enlarge(width: int, growth: int, scale: int) -> list[nn.Module]:
    """Give convolutions and pixel shuffles from `width` to `growth` channels."""
    factors = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
    if scale not in factors:
        raise ValueError(f"scale must be 2, 3, 4 or 8, got {scale}")
    made: list[nn.Module] = []
    for factor in factors[scale]:
        made += [conv(width, factor**2 * growth), nn.PixelShuffle(factor)]
        width = growth
    return made


def _ours(state: State) -> dict[str, Any]:
    """Read the options from a file in our spelling."""
    head, last = state["head.0.weight"], count(state, r"tail\.(\d+)\.weight") - 1
    tail = [state[f"tail.{i}.weight"] for i in range(0, last + 1, 2)]
    return {
        "in_channels": head.shape[1],
        "out_channels": tail[-1].shape[0],
        "scale": scale_of(tail),
        "width": head.shape[0],
        "growth": state["body.1.stages.0.body.0.0.body.0.weight"].shape[0],
        "n_blocks": count(state, r"body\.1\.stages\.(\d+)\.body\.1\.weight"),
        "n_layers": count(
            state, r"body\.1\.stages\.0\.body\.0\.(\d+)\.body\.0\.weight"
        ),
    }


def _layout(
    name: str,
    rules: tuple[tuple[str, str], ...],
    high: float,
    marks: tuple[str, ...],
    unless: tuple[str, ...] = (),
) -> Layout:
    spelling = Layout(name, "rdn-x2", (), rules)

    def options(state: State) -> dict[str, Any]:
        return _ours(spelling.renamed(state))

    def changes(state: State) -> dict[str, Any]:
        read = options(state)
        return enlarging(
            read["scale"],
            is_rgb=read["in_channels"] == 3,
            value_range=(0.0, high),
            overlap=OVERLAP,
        )

    return replace(
        spelling, marks=marks, unless=unless, options=options, changes=changes
    )


_OFFICIAL = (
    (r"^SFENet1\.", "head.0."),
    (r"^SFENet2\.", "body.0."),
    (r"^RDBs\.(\d+)\.convs\.(\d+)\.conv\.0\.", r"body.1.stages.\1.body.0.\2.body.0."),
    (r"^RDBs\.(\d+)\.LFF\.", r"body.1.stages.\1.body.1."),
    (r"^GFF\.", "body.1.fuse."),
    (r"^UPNet\.", "tail."),
)
_YJN870 = (
    (r"^sfe1\.", "head.0."),
    (r"^sfe2\.", "body.0."),
    (r"^rdbs\.(\d+)\.layers\.(\d+)\.conv\.", r"body.1.stages.\1.body.0.\2.body.0."),
    (r"^rdbs\.(\d+)\.lff\.", r"body.1.stages.\1.body.1."),
    (r"^gff\.", "body.1.fuse."),
    (r"^upscale\.", "tail."),
)
_MARKS = (r"sfe1\.weight", r"rdbs\.0\.lff\.weight", r"output\.weight")

LAYOUTS: tuple[Layout, ...] = (
    _layout("RDN", _OFFICIAL, 255.0, (r"SFENet1\.weight", r"UPNet\.2\.weight")),
    _layout(
        "RDN-pytorch (yjn870)",
        (*_YJN870, (r"^output\.", "tail.2.")),
        1.0,
        _MARKS,
        (r"upscale\.2\.weight",),
    ),
    _layout(
        "RDN-pytorch (yjn870), x4",
        (*_YJN870, (r"^output\.", "tail.4.")),
        1.0,
        (*_MARKS, r"upscale\.2\.weight"),
    ),
)
