"""RDAN, residual dense attention networks for super-resolution of CT."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import ChannelGate, Fusion, LongSkip, Skip, conv, shuffle_up


class RDAN(LongSkip):
    """Enlarge with dense blocks that weigh their channels, all of them fused [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images.
    scale : int
        1, 2, 3, 4 or 8; 1 restores an image of its size.
    width, growth : int
        Channels between the blocks, and those that each dense layer adds.
    n_blocks, n_layers : int
        Dense blocks, and layers in each.
    reduction : int
        Of the channels within a gate.

    Notes
    -----
    There is no code, and of the paper only the abstract was available: residual dense
    modules, channel attention and skips that filter the features of many layers are
    published, all numbers and the order of layers are ours: RDN with a channel gate at
    the end of each block, and EDSR's way to enlarge.

    References
    ----------
    .. [1] D. Qiu, Y. Cheng, X. Wang, "Residual dense attention networks for COVID-19
       computed tomography images super resolution", IEEE Trans. Cognitive and
       Developmental Systems 15(2), 2023. https://doi.org/10.1109/tcds.2022.3193121
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        growth: int = 32,
        n_blocks: int = 8,
        n_layers: int = 6,
        reduction: int = 16,
    ) -> None:
        blocks = (_block(width, growth, n_layers, reduction) for _ in range(n_blocks))
        fuse = [conv(n_blocks * width, width, 1), conv(width, width)]
        super().__init__(
            conv(in_channels, width),
            [conv(width, width), Fusion(blocks, fuse)],
            [nn.Sequential(*shuffle_up(width, scale)), conv(width, out_channels)],
        )

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        return super().forward(image)


def _block(width: int, growth: int, n_layers: int, reduction: int) -> Skip:
    dense = (
        Skip(conv(width + i * growth, growth), nn.ReLU(), how="cat")
        for i in range(n_layers)
    )
    fuse = conv(width + n_layers * growth, width, 1)
    return Skip(nn.Sequential(*dense), fuse, ChannelGate(width, reduction))
