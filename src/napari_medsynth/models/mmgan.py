"""MMGAN, a U-Net that makes any contrast of a study from the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .blocks import layers
from .blocks.translation import STATISTICS, channels_of, start_small
from .layout import Layout, State


class MMGAN(nn.Module):
    """Make all contrasts of a study from those that are there [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Contrasts in and out: the same ones, in the same order.
    width : int
        Channels of the first level; the next have 2, 4, 8, 8, ... times as many.
    depth : int
        Levels, at least 2; the published network has 8.
    activation : {"tanh", "relu"}
        Of the output: in [-1, 1], or the published default, for images that were
        divided by their mean.
    dropout : float
        On levels of 8 times `width`, in training only.

    Raises
    ------
    ValueError
        If `depth` is below 2 or there is no such activation.

    Notes
    -----
    Equal to the published code but for the names of keys, see `LAYOUTS`. Unlike the
    U-Net of pix2pix, activations follow the norms, and the last level is enlarged by
    repetition. Biases are in the last convolution only.

    References
    ----------
    .. [1] A. Sharma, G. Hamarneh, "Missing MRI pulse sequence synthesis using
       multi-modal generative adversarial network", IEEE TMI 39(4), 2020.
       https://doi.org/10.1109/TMI.2019.2945521
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        *,
        width: int = 64,
        depth: int = 8,
        activation: str = "tanh",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        ends = {"tanh": nn.Tanh, "relu": nn.ReLU}
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        if activation not in ends:
            raise ValueError(f"activation must be 'tanh' or 'relu', got {activation!r}")
        widths = [min(2**level, 8) * width for level in range(depth)]

        def dropped(channels: int) -> nn.Module | None:
            return nn.Dropout(dropout) if channels == 8 * width and dropout else None

        self.down, self.up = nn.ModuleDict(), nn.ModuleDict()
        before = in_channels
        for level, channels in enumerate(widths, start=1):
            self.down[str(level)] = nn.Sequential(
                nn.Conv2d(before, channels, 4, 2, 1, bias=False),
                *layers(nn.InstanceNorm2d(channels) if 1 < level < depth else None),
                *layers(nn.LeakyReLU(0.2), dropped(channels)),
            )
            before = channels
        for level, channels in enumerate(reversed(widths[:-1]), start=1):
            self.up[str(level)] = nn.Sequential(
                nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=False),
                *layers(nn.InstanceNorm2d(channels), nn.ReLU(), dropped(channels)),
            )
            before = 2 * channels
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2),
            nn.ZeroPad2d((1, 0, 1, 0)),
            nn.Conv2d(before, out_channels, 4, padding=1),
            ends[activation](),
        )
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:
        """Make all contrasts of `image`, (N, C, H, W), sides multiples of 2**depth."""
        seen = []
        for level in self.down.values():
            image = level(image)
            seen.append(image)
        for level, skipped in zip(self.up.values(), seen[-2::-1], strict=True):
            image = torch.cat([level(image), skipped], dim=1)
        return self.final(image)


def _options(activation: str, state: State) -> dict[str, Any]:
    return {
        **channels_of(state["down1.model.0.weight"], state["final.2.weight"]),
        "depth": sum(key.startswith("down") for key in state if "weight" in key),
        "activation": activation,
    }


def _layout(name: str, **others: Any) -> Layout:
    """Give one of the two layouts, which no key tells apart."""
    return Layout(
        name,
        "mmgan",
        marks=(r"(down|up)1\.model\.0\.weight", r"final\.2\.weight"),
        rules=((r"^(down|up)(\d+)\.model\.", r"\1.\2."),),
        drop=(STATISTICS,),
        **others,
    )


# Scans were divided by their mean: of BraTS, where the brain is about a sixth of the
# volume, so that its brightest voxels, about twice as bright as it, are about 12.
LAYOUTS: tuple[Layout, ...] = (
    _layout(
        "MM-GAN",
        options=lambda state: _options("relu", state),
        changes=lambda state: {"value_range": (0.0, 12.0)},
    ),
    _layout("MM-GAN --use_tanh", options=lambda state: _options("tanh", state)),
)
