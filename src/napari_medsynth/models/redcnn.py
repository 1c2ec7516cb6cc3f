"""RED-CNN, a residual encoder-decoder for low-dose CT."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .blocks import Skip, conv
from .layout import Layout, State


class REDCNN(nn.Module):
    """Five convolutions and five transposed ones, with three skips around them [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images: equal, because the input is added to the output.
    width : int
        Channels between the layers; 96 in the publication.

    Raises
    ------
    ValueError
        If the numbers of channels differ.

    Notes
    -----
    Images hold (HU + 1024) / 4096 and have sides of 21 pixels or more, because no
    convolution pads. The last ReLU cuts HU below -1024. Equal to SSinyu's code but for
    the names of keys: `LAYOUTS`. Weights start as there, as PyTorch's do.

    References
    ----------
    .. [1] H. Chen et al., "Low-dose CT with a residual encoder-decoder convolutional
       neural network", IEEE TMI 36(12), 2017. https://arxiv.org/abs/1702.00288
    """

    def __init__(
        self, *, in_channels: int = 1, out_channels: int = 1, width: int = 96
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise ValueError(
                "RED-CNN adds its input to its output: in_channels and out_channels "
                f"must be equal, got {in_channels} and {out_channels}"
            )
        inner = Skip(_down(width, width), _up(width, width))
        middle = Skip(
            [_down(width, width), nn.ReLU(), _down(width, width), nn.ReLU(), inner],
            [nn.ReLU(), _up(width, width), nn.ReLU(), _up(width, width)],
        )
        outer = Skip(
            [_down(in_channels, width), nn.ReLU(), _down(width, width), nn.ReLU()],
            [middle, nn.ReLU(), _up(width, width), nn.ReLU(), _up(width, out_channels)],
        )
        inner.body.insert(1, nn.ReLU())
        self.body = nn.Sequential(outer, nn.ReLU())

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (N, C, H, W)."""
        return self.body(image)


def _down(in_channels: int, out_channels: int) -> nn.Module:
    return conv(in_channels, out_channels, 5, padding=0)


def _up(in_channels: int, out_channels: int) -> nn.Module:
    return nn.ConvTranspose2d(in_channels, out_channels, 5)


def _options(state: State) -> dict[str, Any]:
    first = state["conv1.weight"]
    return {
        "in_channels": first.shape[1],
        "out_channels": first.shape[1],
        "width": first.shape[0],
    }


_OUTER, _MIDDLE = "body.0.body.", "body.0.body.4.body."
_PLACES = {
    "conv1": _OUTER + "0",
    "conv2": _OUTER + "2",
    "conv3": _MIDDLE + "0",
    "conv4": _MIDDLE + "2",
    "conv5": _MIDDLE + "4.body.0",
    "tconv1": _MIDDLE + "4.body.2",
    "tconv2": _MIDDLE + "6",
    "tconv3": _MIDDLE + "8",
    "tconv4": _OUTER + "6",
    "tconv5": _OUTER + "8",
}

LAYOUTS = (
    Layout(
        name="RED-CNN",
        card="redcnn",
        marks=(r"conv5\.weight", r"tconv5\.weight"),
        rules=tuple((rf"^{old}\.", f"{new}.") for old, new in _PLACES.items()),
        options=_options,
    ),
    Layout(
        name="RED-CNN before 2020-11-17",
        card="redcnn",
        marks=(r"conv_first\.weight", r"conv_t_last\.weight"),
        refused="This is of RED-CNN's code before 2020-11-17, which used one "
        "convolution for all layers: another network. Use a file of the present code.",
    ),
)
