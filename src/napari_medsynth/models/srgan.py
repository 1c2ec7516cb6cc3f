"""SRGAN: SRResNet, which enlarges images, and the critic that trains it to be crisp."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import (
    LongSkip,
    Skip,
    SliceNorm2d,
    conv,
    layers,
    shuffle_up,
)

OUTPUTS = ("linear", "clamp", "tanh", "half-tanh")


class SRResNet(LongSkip):
    """Enlarge an image with residual blocks: the generator of SRGAN [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images.
    scale : int
        1, 2, 3, 4 or 8.
    width, n_blocks : int
        Channels between the layers; residual blocks.
    bias : bool
        Biases before the norms, which cannot change anything; some files have them.
    output : {"linear", "clamp", "tanh", "half-tanh"}
        What becomes of the last numbers: nothing, cut to [0, 1], tanh in [-1, 1], or
        (tanh + 1) / 2 in [0, 1].

    Raises
    ------
    ValueError
        If `scale` or `output` is none of these.

    Notes
    -----
    There is no official code. "clamp" is Lornatang's version, "half-tanh" with 5 blocks
    and biases that of leftthomas, "tanh" with biases that of sgrvinod; their files:
    ``srgan_layouts.py``. Weights start as
    PyTorch's do: the paper does not say.

    References
    ----------
    .. [1] C. Ledig et al., "Photo-realistic single image super-resolution using a
       generative adversarial network", CVPR 2017. https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 4,
        width: int = 64,
        n_blocks: int = 16,
        bias: bool = False,
        output: str = "linear",
    ) -> None:
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {OUTPUTS}, got {output!r}")
        blocks = (
            Skip(
                [conv(width, width, bias=bias), SliceNorm2d(width), nn.PReLU()],
                [conv(width, width, bias=bias), SliceNorm2d(width)],
            )
            for _ in range(n_blocks)
        )
        super().__init__(
            [conv(in_channels, width, 9), nn.PReLU()],
            [nn.Sequential(*blocks), conv(width, width, bias=bias), SliceNorm2d(width)],
            [
                nn.Sequential(*shuffle_up(width, scale, nn.PReLU)),
                conv(width, out_channels, 9),
            ],
        )
        self.output = output

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        made = super().forward(image)
        if self.output == "clamp":
            return made.clamp(0, 1)
        if self.output == "linear":
            return made
        made = made.tanh()
        return made if self.output == "tanh" else (made + 1) / 2


class SRGANCritic(nn.Module):
    """Tell real patches from enlarged ones: the discriminator of SRGAN [1]_.

    Parameters
    ----------
    in_channels : int
        Of the images.
    width : int
        Channels of the first layer; the last has 8 times as many.
    size : int
        Side of the patches, a multiple of 16 [pixel].

    Raises
    ------
    ValueError
        If `size` is no multiple of 16.

    Notes
    -----
    Gives raw scores, no sigmoid. Keys are those of Lornatang's version.

    References
    ----------
    .. [1] C. Ledig et al., CVPR 2017. https://arxiv.org/abs/1609.04802
    """

    def __init__(
        self, in_channels: int = 1, *, width: int = 64, size: int = 96
    ) -> None:
        super().__init__()
        if size < 16 or size % 16:
            raise ValueError(f"size must be a multiple of 16, got {size}")
        self.size = size
        channels = [width * factor for factor in (1, 1, 2, 2, 4, 4, 8, 8)]
        first = [conv(in_channels, width), nn.LeakyReLU(0.2)]
        others = (
            [
                conv(channels[i - 1], channels[i], stride=1 + i % 2, bias=False),
                SliceNorm2d(channels[i]),
                nn.LeakyReLU(0.2),
            ]
            for i in range(1, 8)
        )
        self.features = nn.Sequential(*layers(first, others))
        self.classifier = nn.Sequential(
            nn.Linear(8 * width * (size // 16) ** 2, 16 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * width, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`, shape (N, in_channels, size, size): (N, 1).

        Raises
        ------
        ValueError
            If its sides are not `size`.
        """
        if tuple(image.shape[-2:]) != (self.size, self.size):
            raise ValueError(
                f"this critic needs patches of {self.size} x {self.size} pixels, got "
                f"{tuple(image.shape[-2:])}: set the patch size"
            )
        return self.classifier(self.features(image).flatten(1))
