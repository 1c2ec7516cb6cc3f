"""WGAN-VGG: a small network for low-dose CT, and the critic that trains it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from .blocks import conv, layers
from .layout import Layout, State

_PLAN = ((64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2))  # width, stride


class WGANVGG(nn.Module):
    """Denoise with eight convolutions in a row [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images.
    width : int
        Channels between the layers.
    n_layers : int
        Convolutions, 2 or more.

    Notes
    -----
    Images in [0, 1]; the last ReLU cuts what is below. Equal to SSinyu's code and its
    keys. Weights start as there, as PyTorch's do.

    References
    ----------
    .. [1] Q. Yang et al., "Low-dose CT image denoising using a generative adversarial
       network with Wasserstein distance and perceptual loss", IEEE TMI 37(6), 2018.
       https://arxiv.org/abs/1708.00961
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        n_layers: int = 8,
    ) -> None:
        super().__init__()
        widths = [in_channels, *[width] * (n_layers - 1), out_channels]
        pairs = pairwise(widths)
        self.net = nn.Sequential(*layers([conv(a, b), nn.ReLU()] for a, b in pairs))

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.net(image)


class WGANVGGCritic(nn.Module):
    """Score whole square patches of one size [1]_; raw, for a Wasserstein loss.

    Parameters
    ----------
    in_channels : int
        Of the patches.
    size : int
        Their side [pixel]; 64 in the paper, 80 in SSinyu's code.

    Raises
    ------
    ValueError
        If the patches are too small for its six convolutions, which do not pad.

    References
    ----------
    .. [1] As `WGANVGG`.
    """

    def __init__(self, in_channels: int = 1, *, size: int = 64) -> None:
        super().__init__()
        convolutions, side, channels = [], size, in_channels
        for width, stride in _PLAN:
            layer = conv(channels, width, 3, stride=stride, padding=0)
            convolutions.append([layer, nn.LeakyReLU()])
            side, channels = (side - 3) // stride + 1, width
        if side < 1:
            raise ValueError(f"size must be 29 or more, got {size}")
        self.net = nn.Sequential(*layers(convolutions))
        self.fc1 = nn.Linear(channels * side**2, 1024)
        self.act = nn.LeakyReLU()
        self.fc2 = nn.Linear(1024, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Score (N, in_channels, size, size): (N, 1)."""
        return self.fc2(self.act(self.fc1(self.net(image).flatten(1))))


def _options(state: State) -> dict[str, Any]:
    names = (re.fullmatch(r"(?:generator\.)?net\.(\d+)\.weight", key) for key in state)
    # By number, not as they come: some files hold their keys in alphabetical order.
    in_order = sorted(filter(None, names), key=lambda name: int(name[1]))
    weights = [state[name.string] for name in in_order]
    return {
        "in_channels": weights[0].shape[1],
        "out_channels": weights[-1].shape[0],
        "width": weights[0].shape[0],
        "n_layers": len(weights),
    }


LAYOUTS = (
    Layout(
        name="WGAN-VGG",
        card="wganvgg",
        marks=(r"net\.0\.weight", r"net\.14\.weight"),
        unless=(r"fc1\.weight", r"net\.\d+\.running_mean"),
        options=_options,
    ),
    Layout(
        name="WGAN-VGG, whole training state",
        card="wganvgg",
        marks=(r"generator\.net\.0\.weight", r"discriminator\.fc1\.weight"),
        rules=((r"^generator\.", ""),),
        drop=(r"(discriminator|feature_extractor)\..*",),
        options=_options,
    ),
)
