"""Convolutions that halve or double the sides of an image, and a residual block."""

from torch import Tensor, nn

from .norm import SliceNorm2d


def downsample(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Give the layers that halve both sides: strided convolution, norm, ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        SliceNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def upsample(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Give the layers that double both sides: transposed convolution, norm, ReLU."""
    return [
        nn.ConvTranspose2d(
            in_channels,
            out_channels,
            3,
            stride=2,
            padding=1,
            output_padding=1,
            bias=False,
        ),
        SliceNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class ResidualBlock(nn.Module):
    """Add two normalised 3x3 convolutions of an image to it.

    There is no ReLU after the second norm and none after the sum.

    Parameters
    ----------
    channels : int
        Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            SliceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            SliceNorm2d(channels),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Refine `image`, shape (N, C, H, W) with sides of at least 2."""
        return image + self.conv_block(image)


class ChannelCompression(nn.Module):
    """Halve the channels with two 3x3 convolutions beside a 1x1 shortcut.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels in and out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            SliceNorm2d(out_channels),
        )
        self.block = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            SliceNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            SliceNorm2d(out_channels),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, image: Tensor) -> Tensor:
        """Compress `image`, shape (N, C, H, W), to `out_channels` channels."""
        return self.relu(self.block(image) + self.skip(image))
