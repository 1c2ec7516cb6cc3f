"""SRCNN, the first convolutional network for super-resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .blocks import conv
from .layout import Layout, State


class SRCNN(nn.Module):
    """Sharpen an image that was enlarged by bicubic interpolation [1]_.

    Patches are extracted, mapped and put together again: three convolutions with ReLU
    between them.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images.
    widths : sequence of two int
        Channels after the first and the second convolution.
    kernels : sequence of three int
        Sides of the kernels, odd.

    Raises
    ------
    ValueError
        If there are not two widths and three odd kernels.

    Notes
    -----
    9-5-5, as the published PyTorch version and the best of the paper. Departures from
    the paper, as that version: zero padding, so that the size stays; weights start as
    PyTorch's do, not as N(0, 0.001), because Adam trains them.

    References
    ----------
    .. [1] C. Dong et al., "Image super-resolution using deep convolutional networks",
       IEEE TPAMI 38(2), 2016. https://doi.org/10.1109/TPAMI.2015.2439281
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (64, 32),
        kernels: Sequence[int] = (9, 5, 5),
    ) -> None:
        super().__init__()
        if len(widths) != 2 or len(kernels) != 3 or not all(k % 2 for k in kernels):
            raise ValueError(
                "SRCNN needs two widths and three odd kernels, got "
                f"{tuple(widths)} and {tuple(kernels)}"
            )
        self.body = nn.Sequential(
            conv(in_channels, widths[0], kernels[0]),
            nn.ReLU(),
            conv(widths[0], widths[1], kernels[1]),
            nn.ReLU(),
            conv(widths[1], out_channels, kernels[2]),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Sharpen (N, in_channels, H, W), in [0, 1], already on the fine grid."""
        return self.body(image)


def _options(state: State) -> dict[str, Any]:
    weights = [state[f"conv{i}.weight"] for i in (1, 2, 3)]
    return {
        "in_channels": weights[0].shape[1],
        "out_channels": weights[2].shape[0],
        "widths": [weights[0].shape[0], weights[1].shape[0]],
        "kernels": [weight.shape[2] for weight in weights],
    }


def _changes(state: State) -> dict[str, Any]:
    return {
        "value_range": (0.0, 1.0),
        "is_rgb": state["conv1.weight"].shape[1] == 3,
    }


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "SRCNN-pytorch (yjn870)",
        "srcnn",
        marks=(r"conv1\.weight", r"conv2\.weight", r"conv3\.weight"),
        unless=(r"conv4\..*", r"tconv.*", r"bn\d.*", r"fc.*"),
        rules=(
            (r"^conv1\.", "body.0."),
            (r"^conv2\.", "body.2."),
            (r"^conv3\.", "body.4."),
        ),
        options=_options,
        changes=_changes,
    ),
)
