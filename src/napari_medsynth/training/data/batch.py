"""Batch: what one update learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MISSING = -1.0  # network input of a contrast that is not given: black


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices, and which of their contrasts are given and which wanted.

    Parameters
    ----------
    sources : Tensor
        float32, (N, inputs, H, W) in [-1, 1]; contrasts that are not given are -1.
    truth : Tensor
        float32, (N, outputs, H, W) in [-1, 1].
    given, wanted : Tensor
        bool, (N, outputs): outputs that are also among the sources, and those that are
        to be learnt. A contrast that does not exist is neither.
    """

    sources: Tensor
    truth: Tensor
    given: Tensor
    wanted: Tensor

    def __len__(self) -> int:
        return len(self.sources)

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(*(t.to(device, non_blocking=True) for t in self._tensors()))

    def split(self, n: int) -> list[Batch]:
        """Cut into at most `n` batches of about equal length."""
        n = min(n, len(self))
        parts = [tensor.tensor_split(n) for tensor in self._tensors()]
        return [Batch(*tensors) for tensors in zip(*parts, strict=True)]

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.sources, self.truth, self.given, self.wanted
