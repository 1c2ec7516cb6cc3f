"""Losses of some channels of each sample, all differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import Batch

from .perceptual import Features, feature_error

Output = Tensor | tuple[Tensor, ...]

_RADIUS, _SIGMA = 5, 1.5  # window of SSIM [pixel], as in `engine.metrics.ssim`
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Counts:
    """How much there is in a whole batch, on average over the processes.

    Losses are sums divided by these, so that those of the parts of a batch add up to
    the loss of the batch, and the mean over processes is the mean over all they hold.

    Parameters
    ----------
    samples, wanted, given : Tensor
        0-d: samples, channels to be learnt, channels to be reproduced.
    """

    samples: Tensor
    wanted: Tensor
    given: Tensor


def count(batch: Batch, fabric: Fabric) -> Counts:
    """Count `batch`, one of the batches that all processes hold at the same time."""
    n = len(batch) * batch.wanted.new_ones((), dtype=torch.float32)
    counts = torch.stack([n, batch.wanted.sum(), batch.given.sum()])
    return Counts(*mean_of_processes(counts, fabric))


def mean_of_processes(values: Tensor, fabric: Fabric) -> Tensor:
    """Give the mean of a tensor over all processes."""
    if fabric.world_size == 1:
        return values
    mean: Tensor = fabric.all_reduce(values, reduce_op="mean")  # type: ignore[assignment]
    return mean


def absolute_error(output: Tensor, truth: Tensor) -> Tensor:
    """Give the mean absolute error of each channel (N, C) of images (N, C, H, W)."""
    return (output - truth).abs().mean(dim=(2, 3))


def squared_error(output: Tensor, truth: Tensor) -> Tensor:
    """Give the mean squared error of each channel (N, C) of images (N, C, H, W)."""
    return (output - truth).square().mean(dim=(2, 3))


def gradient_difference(output: Tensor, truth: Tensor) -> Tensor:
    """Give the absolute error of the differences of neighbouring pixels, (N, C)."""
    rows = absolute_error(output.diff(dim=2), truth.diff(dim=2))
    return rows + absolute_error(output.diff(dim=3), truth.diff(dim=3))


def sharpness_error(output: Tensor, truth: Tensor) -> Tensor:
    """Give the absolute error of the Laplacian (of 4 neighbours), (N, C).

    Where all neighbours are inside of the images (N, C, H, W), H and W at least 3.
    """
    return absolute_error(_laplacian(output), _laplacian(truth))


def _laplacian(image: Tensor) -> Tensor:
    rows = image[..., :, 1:-1].diff(n=2, dim=2)
    return rows + image[..., 1:-1, :].diff(n=2, dim=3)


def dissimilarity(output: Tensor, truth: Tensor) -> Tensor:
    """Give 1 - SSIM of each channel, (N, C).

    Parameters
    ----------
    output, truth : Tensor
        (N, C, H, W) in [-1, 1], H and W at least 11.

    Notes
    -----
    The mean over all whole windows of a Gaussian of 1.5 pixels, as
    ``skimage.metrics.structural_similarity`` with ``gaussian_weights``.
    """
    x, y = 0.5 * (output.float() + 1), 0.5 * (truth.float() + 1)
    images = torch.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _smooth(images.flatten(0, 2)).unflatten(
        0, images.shape[:3]
    )
    both = mean_x * mean_y
    squares = mean_x.square() + mean_y.square()
    luminance = (2 * both + _C1) / (squares + _C1)
    structure = (2 * (xy - both) + _C2) / (xx + yy - squares + _C2)
    return 1 - (luminance * structure).mean(dim=(2, 3))


def _smooth(images: Tensor) -> Tensor:
    """Weigh whole windows of images (N, H, W)."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1.0, device=images.device)
    weights = torch.exp(-0.5 * (offsets / _SIGMA).square())
    weights = weights / weights.sum()
    rows = F.conv2d(images[:, None], weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0]


def mean_error(errors: Tensor, channels: Tensor, n: Tensor) -> Tensor:
    """Sum the errors (N, C) of the channels that count, bool (N, C), and divide by `n`.

    0 if `n` is 0.
    """
    return (errors * channels).sum() / torch.where(n > 0, n, 1)


def last_of(output: Output) -> Tensor:
    """Give the last image of a network that may give several, better and better."""
    return output if isinstance(output, Tensor) else output[-1]


def supervised_losses(
    output: Output,
    batch: Batch,
    config: TrainConfig,
    counts: Counts,
    features: Features | None = None,
) -> dict[str, Tensor]:
    """Give the loss ("total") and its parts; those with weight 0 are left out.

    Parameters
    ----------
    output : Tensor or tuple of Tensor
        The network's, (N, C, H, W) in [-1, 1]. Of several, the losses are summed, but
        for "perceptual", which is that of the last one.
    batch : Batch
        What was given and wanted: a whole batch or a part of it.
    config : TrainConfig
        Weights.
    counts : Counts
        Of the whole batch.
    features : Features, optional
        What the perceptual loss compares; see `make_features`. Without it there is
        none: objectives that have none refuse a weight of it (`check_recipe`).

    Notes
    -----
    The unified ResViT's pixel and reconstruction losses: L1 on the targets, L1 on the
    source channels of the output.
    """
    images = (output,) if isinstance(output, Tensor) else output
    parts = _pixel_losses(images, batch, config, counts)
    if features is not None:
        errors = feature_error(
            features, images[-1], batch.truth, kind=config.perceptual_error
        )
        parts["perceptual"] = mean_error(errors, batch.wanted, counts.wanted)
    total = images[-1].new_zeros(())
    for name, value in parts.items():
        total = total + getattr(config, f"{name}_weight") * value
    return {"total": total, **parts}


def _pixel_losses(
    images: tuple[Tensor, ...], batch: Batch, config: TrainConfig, counts: Counts
) -> dict[str, Tensor]:
    """Give the losses that look at pixels, summed over `images`, without weights."""
    wanted, given = (batch.wanted, counts.wanted), (batch.given, counts.given)
    kinds = {
        "l1": (absolute_error, wanted),
        "l2": (squared_error, wanted),
        "ssim": (dissimilarity, wanted),
        "gradient": (gradient_difference, wanted),
        "sharpness": (sharpness_error, wanted),
        "reconstruction": (absolute_error, given),
    }
    parts: dict[str, Tensor] = {}
    for name, (error, channels) in kinds.items():
        if getattr(config, f"{name}_weight") or name == "l1":
            for image in images:
                one = mean_error(error(image, batch.truth), *channels)
                parts[name] = parts[name] + one if name in parts else one
    return parts
