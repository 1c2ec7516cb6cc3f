"""PatchGAN, a discriminator that judges overlapping patches of an image."""

from torch import Tensor, nn

from .blocks import SliceNorm2d


class PatchGAN(nn.Module):
    """Score each 70x70 patch of an image as real or synthetic [1]_.

    Parameters
    ----------
    in_channels : int
        Channels of source and target together.
    width : int
        Channels of the first layer; the last has 8 times as many.

    Notes
    -----
    Gives raw scores for a least-squares loss, no sigmoid. Weights start as in the
    published code: convolutions N(0, 0.02), norm scales N(1, 0.02).

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR 2017. https://arxiv.org/abs/1611.07004
    """

    def __init__(self, in_channels: int, *, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            channels = 2 * factor * width
            layers += [
                nn.Conv2d(
                    factor * width, channels, 4, stride=stride, padding=1, bias=False
                ),
                SliceNorm2d(channels),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(8 * width, 1, 4, padding=1))
        self.model = nn.Sequential(*layers)
        self.model.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`, shape (N, C, H, W): (N, 1, H / 8 - 2, W / 8 - 2)."""
        return self.model(image)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, SliceNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
