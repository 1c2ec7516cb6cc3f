"""Losses of some channels of each sample, all differentiable."""

from __future__ import annotations

from torch import Tensor

from napari_medsynth.training.batch import Batch
from napari_medsynth.training.config import TrainConfig


def masked_l1(output: Tensor, truth: Tensor, channels: Tensor) -> Tensor:
    """Give the mean absolute error of some channels of each sample.

    Parameters
    ----------
    output, truth : Tensor
        (N, C, H, W).
    channels : Tensor
        bool, (N, C): which count. 0 is returned if none does.
    """
    error = (output - truth).abs().mean(dim=(2, 3))
    return (error * channels).sum() / channels.sum().clamp(min=1)


def gradient_difference(output: Tensor, truth: Tensor, channels: Tensor) -> Tensor:
    """Give `masked_l1` of the differences of neighbouring pixels: keeps edges sharp."""
    rows = masked_l1(output.diff(dim=2), truth.diff(dim=2), channels)
    columns = masked_l1(output.diff(dim=3), truth.diff(dim=3), channels)
    return rows + columns


def supervised_losses(
    output: Tensor, batch: Batch, config: TrainConfig
) -> dict[str, Tensor]:
    """Give the loss ("total") and its parts, those with weight 0 left out.

    Parameters
    ----------
    output : Tensor
        The network's, (N, C, H, W) in [-1, 1].
    batch : Batch
        What was given and wanted.
    config : TrainConfig
        Weights.

    Notes
    -----
    The unified ResViT's pixel and reconstruction losses: L1 on the targets, L1 on the
    source channels of the output.
    """
    parts = {
        "l1": masked_l1(output, batch.truth, batch.wanted),
        "reconstruction": masked_l1(output, batch.truth, batch.given),
        "gradient": gradient_difference(output, batch.truth, batch.wanted),
    }
    weights = {name: getattr(config, f"{name}_weight") for name in parts}
    total = sum(weights[name] * part for name, part in parts.items() if weights[name])
    return {"total": total, **parts}
