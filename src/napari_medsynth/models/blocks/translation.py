"""What networks that translate images share: norms, first weights, file facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .norm import SliceNorm2d

STATISTICS = r".*\.(running_mean|running_var|num_batches_tracked)"


def norm_of(kind: str, channels: int) -> nn.Module:
    """Give the norm layer "batch" or "instance" (no learnt scales).

    Raises
    ------
    ValueError
        If `kind` is neither.
    """
    if kind == "batch":
        return SliceNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    raise ValueError(f"norm must be 'batch' or 'instance', got {kind!r}")


def start_small(module: nn.Module) -> None:
    """Draw first weights as pix2pix [1]_ does, for `Module.apply`.

    Convolutions N(0, 0.02), norm scales N(1, 0.02), biases 0.

    References
    ----------
    .. [1] https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix
    """
    start_weights_small(module)
    bias = getattr(module, "bias", None)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and bias is not None:
        nn.init.zeros_(bias)


def start_weights_small(module: nn.Module) -> None:
    """Draw first weights as `start_small` does, but leave biases as they are."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, SliceNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)


def images_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Say in fields of a card what three channels of a published file stand for."""
    if options["in_channels"] != 3:
        return {}
    if options["out_channels"] == 3:
        return {"is_rgb": True}
    return {"neighbours": 1}


def channels_of(first: Tensor, last: Tensor) -> dict[str, Any]:
    """Read channels and width from the weights of first and last convolution.

    `last` has its outputs in its first dimension.
    """
    return {
        "in_channels": first.shape[1],
        "out_channels": last.shape[0],
        "width": first.shape[0],
    }
