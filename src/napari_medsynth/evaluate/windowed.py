"""SSIM and MS-SSIM of many regions in one pass over the slices."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.engine.metrics import WINDOW, ssim_map
from napari_medsynth.engine.ms_ssim import (
    N_SCALES,
    SMALLEST,
    scales_of,
    similarity_maps,
    similarity_within,
)

from .metric_names import METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values = tuple[dict[str, float], dict[str, str]]
"""Metric to number, and metric to the reason why there is none."""

SIDES = {"ssim": WINDOW, "ms_ssim": SMALLEST}
"""Pixels that a slice needs along both sides."""

SMALLEST_REGION = WINDOW**2
"""Voxels, as many as one window has: a smaller region is not what SSIM would tell."""


@dataclass
class _Mean:
    """A mean over voxels, slice by slice."""

    total: float = 0.0
    n_voxels: int = 0

    def add(self, value: float, n_voxels: int) -> None:
        if not math.isnan(value):
            self.total += value * n_voxels
            self.n_voxels += n_voxels


@dataclass
class _Means:
    """Those of one region."""

    ssim: _Mean = field(default_factory=_Mean)
    ms_ssim: _Mean = field(default_factory=_Mean)


def windowed_values(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    regions: Sequence[NDArray[np.bool_]],
    data_range: float,
) -> Generator[int, None, list[Values]]:
    """Give SSIM and MS-SSIM of slices (N, H, W) inside each region (N, H, W).

    Yields how many slices are done, after each.
    """
    means = [_Means() for _ in regions]
    if min(a.shape[1:]) >= WINDOW:
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            here = [
                (mean, region[index])
                for mean, region in zip(means, regions, strict=True)
                if region[index].any()
            ]
            if here:
                _add_slice(here, one, other, data_range)
            yield index + 1
    return [
        _values(mean, int(region.sum()), a.shape[1:])
        for mean, region in zip(means, regions, strict=True)
    ]


def scales_note(shape: Sequence[int]) -> tuple[str, ...]:
    """Say it if slices (H, W) are too small for all scales of MS-SSIM."""
    n_scales = scales_of(shape)
    if min(shape) < SMALLEST or n_scales == N_SCALES:
        return ()
    sides = " x ".join(map(str, shape))
    return (
        f"MS-SSIM is that of {n_scales} scales, because slices of {sides} pixels hold "
        f"no {N_SCALES}: it does not compare with that of larger slices.",
    )


def _add_slice(
    here: Sequence[tuple[_Means, NDArray[np.bool_]]],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    data_range: float,
) -> None:
    one, other = a.astype(np.float64), b.astype(np.float64)
    local = ssim_map(one, other, data_range)
    scales: tuple[NDArray[np.float64], ...] = ()
    if min(a.shape) >= SMALLEST:
        scales = similarity_maps(one, other, data_range)
    for mean, inside in here:
        n_voxels = int(inside.sum())
        mean.ssim.add(float(local[inside].mean()), n_voxels)
        if scales:
            mean.ms_ssim.add(similarity_within(scales, inside), n_voxels)


def _values(means: _Means, n_voxels: int, shape: tuple[int, ...]) -> Values:
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name, mean in (("ssim", means.ssim), ("ms_ssim", means.ms_ssim)):
        needs = f"{METRICS[name].title} needs"
        if n_voxels < SMALLEST_REGION:
            reasons[name] = (
                f"{needs} a region of {SMALLEST_REGION} voxels or more (one window), "
                f"got {n_voxels}."
            )
        elif min(shape) < SIDES[name]:
            sides = " x ".join(map(str, shape))
            reasons[name] = (
                f"{needs} slices of {SIDES[name]} pixels or more, got {sides}."
            )
        elif not mean.n_voxels:
            reasons[name] = f"{needs} a region that is not at the very border."
        else:
            values[name] = mean.total / mean.n_voxels
    return values, reasons
