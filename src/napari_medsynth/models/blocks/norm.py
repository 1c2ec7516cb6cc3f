"""Batch normalisation that can also use the statistics of each single slice."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STATISTICS = {"running": "running", "batch": "slice"}


class SliceNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose evaluation mode can normalise each slice by itself.

    Training is that of BatchNorm2d, and so are the keys of the state dict. To train
    with the statistics of each slice, train in evaluation mode and contiguous.

    Attributes
    ----------
    statistics : {"running", "slice"}
        In evaluation mode, normalise by the running statistics, or by the mean and the
        biased variance of each sample over its own pixels. "slice" equals batch
        statistics at batch 1, so that running many slices at once changes nothing.
    """

    statistics: str = "running"

    def forward(self, image: Tensor) -> Tensor:
        """Normalise `image`, shape (N, C, H, W)."""
        if self.training or self.statistics == "running":
            return super().forward(image)
        # One group per channel is the same and several times faster. In channels_last
        # its variance is off by up to 1e-3: too much for float32, not for half of it.
        if image.dtype == torch.float32 and not image.is_contiguous():
            return F.instance_norm(
                image, weight=self.weight, bias=self.bias, eps=self.eps
            )
        return F.group_norm(image, self.num_features, self.weight, self.bias, self.eps)


def set_norm_statistics(model: nn.Module, statistics: str) -> None:
    """Choose what every `SliceNorm2d` of `model` normalises by in evaluation mode.

    Parameters
    ----------
    model : Module
        Changed in place.
    statistics : {"running", "batch"}
        Statistics of the training set, or those of each single slice.

    Raises
    ------
    ValueError
        If `statistics` is neither.
    """
    if statistics not in STATISTICS:
        raise ValueError(f"statistics must be 'running' or 'batch', got {statistics!r}")
    for module in model.modules():
        if isinstance(module, SliceNorm2d):
            module.statistics = STATISTICS[statistics]
