"""A residual-in-residual network for super-resolution of chest X-rays."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from .blocks import Enlarger, Fusion, Parallel, Skip, conv, residual_body

_KERNELS = (1, 3, 5)


class CXRRIR(Enlarger):
    """Enlarge with groups of parallel residual blocks, fused in each group [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images, in [0, 1].
    scale : int
        1, 2, 3, 4 or 8.
    width : int
        Channels between the layers.
    n_groups, n_blocks : int
        Groups, and blocks in each.

    Notes
    -----
    There is no code, and of the paper only the abstract was available: that there are
    groups with fusion and blocks of parallel convolutions of 1, 3 and 5 pixels is
    published, all widths, the order of layers and where skips go are ours. A block is
    x + conv1([lrelu(conv1 x), lrelu(conv3 x), lrelu(conv5 x)]); a group is x +
    conv3(conv1([all block outputs])); around all groups and a convolution goes a skip;
    pixel shuffles enlarge.

    References
    ----------
    .. [1] A. Khishigdelger, A. Salem, H.-S. Kang, "Elevating chest X-ray image
       super-resolution with residual network enhancement", J. Imaging 10(3):64, 2024.
       https://doi.org/10.3390/jimaging10030064
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        n_groups: int = 4,
        n_blocks: int = 4,
    ) -> None:
        groups = (_group(width, n_blocks) for _ in range(n_groups))
        super().__init__(
            residual_body(groups, width),
            in_channels=in_channels,
            out_channels=out_channels,
            width=width,
            scale=scale,
            colour_range=0.0,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        return super().forward(image)


def _group(width: int, n_blocks: int) -> Skip:
    blocks = (
        Skip(Parallel(_branches(width), conv(3 * width, width, 1)))
        for _ in range(n_blocks)
    )
    fuse = [conv(n_blocks * width, width, 1), conv(width, width)]
    return Skip(Fusion(blocks, fuse))


def _branches(width: int) -> Iterator[nn.Module]:
    for kernel in _KERNELS:
        yield nn.Sequential(conv(width, width, kernel), nn.LeakyReLU(0.2))
