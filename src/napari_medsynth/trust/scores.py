"""Scores of some slices of a synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medsynth.engine.metrics import compare
from napari_medsynth.engine.slices import PLANES
from napari_medsynth.io import Volume

_MAX_PSNR = 100.0  # dB; equal images have an infinite one


@dataclass(frozen=True)
class Scores:
    """How near two images are, each scaled by its own percentiles (`compare`).

    Parameters
    ----------
    psnr : float
        [dB], at most 100.
    ssim, mae : float
        MAE is a share of the range.
    """

    psnr: float
    ssim: float
    mae: float


def score(made: Volume, truth: Volume, plane: str, indices: Sequence[int]) -> Scores:
    """Compare slices of two volumes of one grid.

    Raises
    ------
    VolumeError
        If they cannot be compared; see `engine.metrics.compare`.
    """
    found = compare(*(_slices(volume, plane, indices) for volume in (made, truth)))
    return Scores(min(found["psnr"], _MAX_PSNR), found["ssim"], found["mae"])


def _slices(volume: Volume, plane: str, indices: Sequence[int]) -> Volume:
    stack = np.moveaxis(volume.data[0], PLANES[plane], 0)
    return volume.with_data(stack[list(indices)][np.newaxis])
