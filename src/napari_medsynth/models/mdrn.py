"""MDRN, a light enlarger whose attention looks at local variance."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Fusion, LongSkip, MeanShift, Skip, conv


class Separable(nn.Sequential):
    """Mix channels by a 1x1 convolution, then filter each by itself, reflected edges.

    Called a blueprint separable convolution; a bias on the second part only.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            conv(in_channels, out_channels, 1, bias=False),
            conv(
                out_channels,
                out_channels,
                stride=stride,
                groups=out_channels,
                padding_mode="reflect",
            ),
        )


def local_variance(image: Tensor, *, size: int = 7, stride: int = 3) -> Tensor:
    """Give the unbiased variance of windows of (N, C, H, W), edges reflected by 1."""
    padded = F.pad(image, (1, 1, 1, 1), mode="reflect")
    windows = padded.unfold(2, size, stride).unfold(3, size, stride)
    return windows.var(dim=(-2, -1))


class SpatialGate(nn.Module):
    """Weigh each pixel by what lies around it at three ranges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels // 4
        self.squeeze = conv(channels, width, 1)
        self.keep = conv(width, width, 1)
        self.halve = nn.ModuleList(Separable(width, width, stride=2) for _ in range(4))
        self.pools = nn.ModuleList(
            [nn.MaxPool2d(3, 3, 1), nn.MaxPool2d(5, 3), nn.MaxPool2d(7, 3, 1)]
        )
        self.mix = nn.ModuleList(
            nn.Sequential(Separable(width, width), nn.GELU(), Separable(width, width))
            for _ in range(3)
        )
        self.expand = conv(width, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Weigh (N, C, H, W), sides at least 15."""
        start = self.squeeze(image)
        near, middle, far, varied = (halve(start) for halve in self.halve)
        pooled = [
            pool(part)
            for pool, part in zip(self.pools, (near, middle, far), strict=True)
        ]
        pooled[2] = pooled[2] + local_variance(varied)
        around = self.keep(start)
        for mix, part in zip(self.mix, pooled, strict=True):
            around = around + F.interpolate(
                mix(part), image.shape[-2:], mode="bilinear", align_corners=False
            )
        return image * torch.sigmoid(self.expand(around))


class ContrastGate(nn.Module):
    """Weigh each channel by the sum of its mean and standard deviation."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.gate = nn.Sequential(
            conv(channels, hidden, 1),
            nn.ReLU(),
            conv(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Weigh (N, C, H, W)."""
        variance, mean = torch.var_mean(image, (2, 3), correction=0, keepdim=True)
        return image * self.gate(variance.sqrt() + mean)


class DistillationBlock(nn.Module):
    """Set half of the channels aside three times, fuse, attend, and add the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.distil = nn.ModuleList(conv(width, half, 1) for _ in range(3))
        self.refine = nn.ModuleList(Separable(width, width) for _ in range(3))
        self.last = Separable(width, half)
        self.fuse = conv(4 * half, width, 1)
        self.attend = nn.Sequential(
            Skip(SpatialGate(width)),
            Skip(
                conv(width, width, 1),
                nn.GELU(),
                ContrastGate(width),
                conv(width, width, groups=width),
            ),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Run on (N, C, H, W), sides at least 15."""
        parts, rest = [], image
        for distil, refine in zip(self.distil, self.refine, strict=True):
            parts.append(F.gelu(distil(rest)))
            rest = F.gelu(refine(rest) + rest)
        parts.append(F.gelu(self.last(rest)))
        return image + self.attend(self.fuse(torch.cat(parts, dim=1)))


class MDRN(nn.Module):
    """Enlarge an image by distillation blocks, without batch norm [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image, equal; 3 are shifted by the mean colour of DIV2K.
    scale : int
        Enlargement.
    width, n_blocks : int
        Channels, a multiple of 4 and at least 16; blocks.
    residual : bool
        Learn only the residual map: the bilinear enlargement of the input is added.

    Raises
    ------
    ValueError
        If `in_channels` and `out_channels` differ.

    Notes
    -----
    `residual` is ours; the published network has none. So is leaving the mean shift out
    for images that have not 3 channels.

    References
    ----------
    .. [1] Y. Mao et al., "Multi-level dispersion residual network for efficient image
       super-resolution", CVPR workshops 2023.
       https://openaccess.thecvf.com/CVPR2023_workshops/NTIRE
    """

    mean: Tensor

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 56,
        n_blocks: int = 8,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise ValueError(
                "MDRN needs as many channels out as in, got "
                f"{in_channels} and {out_channels}"
            )
        self.scale, self.residual = scale, residual
        mean = MeanShift.MEAN if in_channels == 3 else in_channels * (0.0,)
        self.register_buffer(
            "mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False
        )
        fuse = [
            conv(n_blocks * width, width, 1),
            nn.GELU(),
            Separable(width, width),
        ]
        self.network = LongSkip(
            conv(in_channels, width),
            Fusion([DistillationBlock(width) for _ in range(n_blocks)], fuse),
            [conv(width, scale**2 * out_channels), nn.PixelShuffle(scale)],
        )

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, C, H, W), sides at least 15, values in [0, 1], by `scale`."""
        made = self.network(image - self.mean)
        if not self.residual:
            return made + self.mean
        return made + F.interpolate(
            image, scale_factor=float(self.scale), mode="bilinear", align_corners=False
        )
