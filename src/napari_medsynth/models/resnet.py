"""ResNetGenerator, the generator of CycleGAN, pGAN and cGAN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from .blocks import Skip, layers
from .blocks.translation import (
    STATISTICS,
    channels_of,
    images_of,
    norm_of,
    start_small,
)
from .layout import Layout, State

SIZE_MULTIPLE = 4
FIRST_BLOCK = 10  # position of the first residual block


class ResNetGenerator(nn.Module):
    """Translate images with residual blocks at a quarter of their sides [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Images in and out; 3 and 1 for pGAN [2]_, which sees neighbouring slices.
    width : int
        Channels after the first convolution; 4 times as many in the blocks.
    n_blocks : int
        Residual blocks: 9 for CycleGAN at 256 pixels and for pGAN, 6 at 128.
    norm : {"instance", "batch"}
        Instance norms have no learnt scales and no running statistics, and convolutions
        beside them have biases.
    dropout : float
        Within each block, in training only. 0 leaves the layer out, which shifts the
        keys of what follows it: choose it before there are weights.

    Raises
    ------
    ValueError
        If there is no such norm.

    Notes
    -----
    Equal to the published codes but for the names of keys, see `LAYOUTS`. There is no
    ReLU after the sum of a block.

    References
    ----------
    .. [1] J.-Y. Zhu et al., "Unpaired image-to-image translation using
       cycle-consistent adversarial networks", ICCV 2017.
       https://arxiv.org/abs/1703.10593
    .. [2] S. U. H. Dar et al., "Image synthesis in multi-contrast MRI with conditional
       generative adversarial networks", IEEE TMI 38(10), 2019.
       https://doi.org/10.1109/TMI.2019.2901750
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        *,
        width: int = 64,
        n_blocks: int = 9,
        norm: str = "instance",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        has_bias = norm == "instance"

        def finished(layer: nn.Module, channels: int) -> list[nn.Module]:
            return [layer, norm_of(norm, channels), nn.ReLU()]

        def down(channels: int) -> list[nn.Module]:
            layer = nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=has_bias)
            return finished(layer, 2 * channels)

        def up(channels: int) -> list[nn.Module]:
            layer = nn.ConvTranspose2d(
                2 * channels, channels, 3, 2, 1, output_padding=1, bias=has_bias
            )
            return finished(layer, channels)

        first = nn.Conv2d(in_channels, width, 7, bias=has_bias)
        blocks = (_block(4 * width, norm, dropout) for _ in range(n_blocks))
        self.model = nn.Sequential(
            *layers(nn.ReflectionPad2d(3), finished(first, width)),
            *layers(down(width), down(2 * width), blocks, up(2 * width), up(width)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:
        """Translate `image`, shape (N, C, H, W) in [-1, 1], sides multiples of 4."""
        return self.model(image)


def _block(channels: int, norm: str, dropout: float) -> Skip:
    """Give a residual block; the places of its layers are those of the keys."""

    def convolution() -> Iterator[nn.Module]:
        yield nn.ReflectionPad2d(1)
        yield nn.Conv2d(channels, channels, 3, bias=norm == "instance")
        yield norm_of(norm, channels)

    between = nn.Dropout(dropout) if dropout else None
    return Skip(convolution(), nn.ReLU(), between, convolution())


def _options(state: State) -> dict[str, Any]:
    pattern = r"model\.(\d+)\.conv_block\.1\.weight"
    places = [int(m[1]) for key in state if (m := re.fullmatch(pattern, key))]
    last = state[f"model.{max(places) + 8}.weight"]
    return {
        **channels_of(state["model.1.weight"], last),
        "n_blocks": max(places) - FIRST_BLOCK + 1,
        "norm": "batch" if "model.2.weight" in state else "instance",
        # Dropout moves the second convolution of each block one place on, to where
        # only a norm (one dimension) can be without it.
        "dropout": 0.0 if f"model.{FIRST_BLOCK}.conv_block.5.weight" in state else 0.5,
    }


def _layout(name: str, card: str, *, is_batch: bool, drops: bool) -> Layout:
    block = rf"model\.{FIRST_BLOCK}\.conv_block"
    second = (rf"{block}\.5\.weight",)  # there if nothing is dropped
    has_scales = (r"model\.2\.weight",)
    return Layout(
        name,
        card,
        marks=(r"model\.1\.weight", rf"{block}\.[56]\.weight")
        + second * (not drops)
        + has_scales * is_batch,
        unless=second * drops + has_scales * (not is_batch),
        rules=((r"\.conv_block\.", ".body."),),
        drop=(STATISTICS,) * (not is_batch),
        options=_options,
        changes=lambda state: images_of(_options(state)),
    )


LAYOUTS: tuple[Layout, ...] = (
    _layout("CycleGAN or cGAN", "cyclegan", is_batch=False, drops=False),
    _layout("pGAN", "pgan", is_batch=False, drops=True),
    _layout("pix2pix ResNet", "resnet", is_batch=True, drops=False),
    _layout("pix2pix ResNet with dropout", "resnet", is_batch=True, drops=True),
)
