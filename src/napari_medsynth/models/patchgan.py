"""Critics of translation: PatchGAN, PixelGAN, and MM-GAN's with a map per contrast."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from .blocks import layers
from .blocks.critic import Critic, check_norm, maybe_norm, strided
from .blocks.translation import start_small, start_weights_small
from .layout import Layout


class PatchGAN(Critic):
    """Score each patch of an image as real or synthetic [1]_.

    Parameters
    ----------
    in_channels : int
        Channels of source and target together.
    width : int
        Channels of the first layer; they double up to 8 times as many.
    n_layers : int
        Layers that halve the sides: 3 see 70x70 pixels, 1 sees 16, 5 see 286.
    norm : {"batch", "instance", "spectral", "none"}
        Of the features; or of the weights of every convolution [2]_, for losses that
        need a critic whose slope is bounded; or nothing. Without batch norms all
        convolutions have biases.

    Raises
    ------
    ValueError
        If `n_layers` is below 1 or there is no such norm.

    Notes
    -----
    Gives raw scores, no sigmoid. Weights start as in the published code: convolutions
    N(0, 0.02), norm scales N(1, 0.02); biases as PyTorch's. Spectral norms follow the
    weights in evaluation mode too.

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR 2017. https://arxiv.org/abs/1611.07004
    .. [2] T. Miyato et al., "Spectral normalization for generative adversarial
       networks", ICLR 2018. https://arxiv.org/abs/1802.05957
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int = 64,
        n_layers: int = 3,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        if n_layers < 1:
            raise ValueError(f"n_layers must be at least 1, got {n_layers}")
        check_norm(norm)
        widths = [min(2**level, 8) * width for level in range(n_layers + 1)]
        self.model = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *layers(
                [
                    strided(before, channels, norm, stride=2 - level // n_layers),
                    maybe_norm(norm, channels),
                    nn.LeakyReLU(0.2, inplace=True),
                ]
                for level, (before, channels) in enumerate(pairwise(widths), start=1)
            ),
            nn.Conv2d(widths[-1], 1, 4, padding=1),
        )
        self.model.apply(start_weights_small)
        self.normalise_weights(norm)

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`, shape (N, C, H, W): (N, 1, H / 8 - 2, W / 8 - 2) for 3."""
        return self.model(image)


class PixelGAN(Critic):
    """Score each pixel by itself: the 1x1 critic of pix2pix.

    Parameters
    ----------
    in_channels : int
        Channels of source and target together.
    width : int
        Channels of the first layer; the second has twice as many.
    norm : {"batch", "instance", "spectral", "none"}
        As of `PatchGAN`.

    Raises
    ------
    ValueError
        If there is no such norm.
    """

    def __init__(
        self, in_channels: int, *, width: int = 64, norm: str = "batch"
    ) -> None:
        super().__init__()
        check_norm(norm)
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 1, bias=norm != "batch"),
            *layers(maybe_norm(norm, 2 * width), nn.LeakyReLU(0.2, inplace=True)),
            nn.Conv2d(2 * width, 1, 1, bias=norm != "batch"),
        )
        self.apply(start_small)
        self.normalise_weights(norm)

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`, shape (N, C, H, W): (N, 1, H, W)."""
        return self.net(image)


class MMGANCritic(Critic):
    """Score each contrast of a study by itself [1]_.

    Parameters
    ----------
    in_channels : int
        Candidate and real slices together: twice the contrasts.
    out_channels : int
        Maps of scores, one per contrast.
    width : int
        Channels of the first layer; they double up to 8 times as many.
    norm : {"instance", "batch", "spectral", "none"}
        As of `PatchGAN`; "instance" is published.

    Raises
    ------
    ValueError
        If there is no such norm.

    References
    ----------
    .. [1] A. Sharma, G. Hamarneh, "Missing MRI pulse sequence synthesis using
       multi-modal generative adversarial network", IEEE TMI 39(4), 2020.
       https://doi.org/10.1109/TMI.2019.2945521
    """

    def __init__(
        self,
        in_channels: int = 8,
        out_channels: int = 4,
        *,
        width: int = 64,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        check_norm(norm)
        self.model = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *layers(
                [
                    strided(factor * width, 2 * factor * width, norm, stride=2),
                    maybe_norm(norm, 2 * factor * width),
                    nn.LeakyReLU(0.2, inplace=True),
                ]
                for factor in (1, 2, 4)
            ),
            nn.ZeroPad2d((1, 0, 1, 0)),
            nn.Conv2d(8 * width, out_channels, 4, padding=1, bias=False),
        )
        self.apply(start_small)
        self.normalise_weights(norm)

    def forward(self, image: Tensor) -> Tensor:
        """Score `image`, shape (N, C, H, W): (N, C', H / 16, W / 16)."""
        return self.model(image)


_REFUSED = (
    "This is a critic (discriminator), which is only used in training; import the "
    "generator's file instead."
)
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "PatchGAN",
        "pix2pix",
        marks=(r"model\.0\.weight", r"model\.2\.weight"),
        unless=(r"model\.1\.weight", r".*(body|conv_block).*"),
        refused=_REFUSED,
    ),
    Layout(
        "PixelGAN",
        "pix2pix",
        marks=(r"net\.0\.weight", r"net\.2\.weight", r"net\.5\.weight"),
        unless=(r"net\.4\.weight", r"fc1\.weight"),
        refused=_REFUSED,
    ),
)
