"""ThroughPlaneEDSR: thick slices made thin, on slices across them."""

from __future__ import annotations

from torch import nn

from .blocks import LongSkip, Skip, conv
from .layout import Layout


class ThroughPlaneEDSR(Skip):
    """Add the detail that interpolation between thick slices cannot give.

    The residual blocks of EDSR [1]_ at scale 1 learn what is missing in an image that
    was interpolated already, as VDSR [2]_ does, on coronal and sagittal slices of MR
    whose slices are thick, as SMORE [3]_ does.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images; the same number.
    width, n_blocks : int
        Channels between the layers; residual blocks.

    Raises
    ------
    ValueError
        If the numbers of channels differ.

    Notes
    -----
    The last convolution starts at 0: an untrained network is the interpolation itself.

    References
    ----------
    .. [1] B. Lim et al., "Enhanced deep residual networks for single image
       super-resolution", CVPR Workshops 2017. https://arxiv.org/abs/1707.02921
    .. [2] J. Kim et al., "Accurate image super-resolution using very deep convolutional
       networks", CVPR 2016. https://arxiv.org/abs/1511.04587
    .. [3] C. Zhao et al., "SMORE: a self-supervised anti-aliasing and super-resolution
       algorithm for MRI using deep learning", IEEE TMI 40(3), 2021.
       https://doi.org/10.1109/TMI.2020.3037187
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        n_blocks: int = 8,
    ) -> None:
        if in_channels != out_channels:
            raise ValueError(
                "what is added needs the channels of the image, got "
                f"{in_channels} and {out_channels}"
            )
        blocks = [
            Skip(conv(width, width), nn.ReLU(), conv(width, width))
            for _ in range(n_blocks)
        ]
        last = conv(width, out_channels)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        super().__init__(
            LongSkip(conv(in_channels, width), [*blocks, conv(width, width)], last)
        )


LAYOUTS: tuple[Layout, ...] = ()
