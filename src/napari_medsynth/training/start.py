"""First weights that let a small ResViT learn sharp images in minutes."""

from __future__ import annotations

import torch
from torch import nn

from napari_medsynth.models.blocks import ARTBlock, ResidualBlock
from napari_medsynth.models.resvit import ResViT


@torch.no_grad()
def sharp_start(model: nn.Module) -> None:
    """Change the random weights of a `ResViT` so that images pass through it sharply.

    The filters of the first layer become mostly single pixels of one contrast each,
    with both signs and various thresholds; those of the last layer favour their
    centres; residual blocks and the convolutions of channel compressions start as
    identities. Other networks keep what they have.
    """
    if not isinstance(model, ResViT):
        return
    for module in model.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.get_parameter("conv_block.6.weight"))
        if isinstance(module, ARTBlock):
            nn.init.zeros_(module.get_parameter("cc.block.4.weight"))
            shortcut = module.get_parameter("cc.skip.0.weight")
            channels = shortcut.shape[0]
            nn.init.zeros_(shortcut)
            shortcut[:, channels:, 0, 0] = torch.eye(channels)
    _sharpen_first(
        model.get_parameter("encoder_1.1.weight"),
        model.get_parameter("encoder_1.2.bias"),
    )
    last = model.get_parameter("decoder_3.1.weight")
    centre = 4 * last[:, :, 3, 3]
    last.mul_(0.3)
    last[:, :, 3, 3] += centre


def _sharpen_first(filters: torch.Tensor, thresholds: torch.Tensor) -> None:
    """Add a positive or negative centre to each filter and spread the thresholds."""
    width, n_contrasts = filters.shape[:2]
    filters.mul_(0.15)
    for index in range(width):
        sign = 1.0 if (index // n_contrasts) % 2 == 0 else -1.0
        filters[index, index % n_contrasts, 3, 3] += sign
    thresholds.copy_(torch.linspace(-0.5, 1.0, width)[torch.randperm(width)])
