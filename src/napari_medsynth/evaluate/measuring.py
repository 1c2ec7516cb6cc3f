"""MAE, RMSE, PSNR, SSIM, MS-SSIM and NMSE of a synthesis, region by region."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine.metrics import WINDOW, mae, nmse, psnr, rmse, ssim_map
from napari_medsynth.engine.ms_ssim import SMALLEST, similarity_maps, similarity_within
from napari_medsynth.errors import VolumeError

from .metric_names import METRICS
from .regions import Region, on_grid_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

    from .declaration import Declaration

SMALLEST_REGION = WINDOW**2
"""Voxels below which a value of SSIM is about the surroundings: one window."""


@dataclass(frozen=True)
class Measured:
    """The numbers of one model in one region.

    Parameters
    ----------
    model, region : str
    n_voxels : int
        That count: inside the region, finite in both images.
    values : mapping
        "mae", "rmse", "psnr" [dB], "ssim", "ms_ssim", "nmse"; see
        `Declaration.unit` for the first two. What cannot be given is not in it.
    reasons : mapping
        Metric to one sentence that says why it is missing.
    notes : tuple of str
        What was done to the images: "... resampled to the grid of the real image."
    """

    model: str
    region: str
    n_voxels: int
    values: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def measure(
    synthetic: Volume,
    truth: Volume,
    regions: Sequence[Region],
    declaration: Declaration,
    *,
    model: str,
) -> Generator[Measured, None, tuple[Measured, ...]]:
    """Compare a synthesis with the real image, in every region.

    SSIM and MS-SSIM are those of axial slices, averaged over the region's voxels.

    Parameters
    ----------
    synthetic, truth : Volume
        One channel each. A synthesis on another grid is resampled to that of `truth`.
    regions : sequence of Region
        On the grid of `truth`.
    declaration : Declaration
        How to scale them.
    model : str
        What to call the synthesis.

    Yields
    ------
    Measured
        One per region, in their order.

    Returns
    -------
    tuple of Measured
        All of them.

    Raises
    ------
    VolumeError
        If the images hardly overlap or a region has another shape.
    """
    synthetic, notes = on_grid_of(truth, synthetic, model)
    _check(regions, truth)
    pair = scaled_pair(synthetic, truth, declaration)
    finite = np.isfinite(pair[0]) & np.isfinite(pair[1])
    inside = [region.mask & finite for region in regions]
    local = windowed(pair, inside, declaration.data_range)
    rows = []
    for region, mask, windows in zip(regions, inside, local, strict=True):
        values, reasons = _point_values(pair, mask, declaration)
        known, missing = windows
        values, reasons = values | known, reasons | missing
        ordered = {name: values[name] for name in METRICS if name in values}
        n_voxels = int(mask.sum())
        rows.append(Measured(model, region.name, n_voxels, ordered, reasons, notes))
        yield rows[-1]
    return tuple(rows)


Pair = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
Values = tuple[dict[str, float], dict[str, str]]


def scaled_pair(synthetic: Volume, truth: Volume, declaration: Declaration) -> Pair:
    """Give synthesis and real image (Z, Y, X), scaled as declared."""
    return declaration.scale(synthetic.data[0]), declaration.scale(truth.data[0])


def windowed(
    pair: Pair, inside: Sequence[NDArray[np.bool_]], data_range: float
) -> list[Values]:
    """Give SSIM and MS-SSIM of slices (N, H, W) for several masks in one pass."""
    sums = {name: np.zeros(len(inside)) for name in ("ssim", "ms_ssim")}
    counts = {name: np.zeros(len(inside)) for name in sums}
    shape = pair[0].shape[1:]
    sizes = {"ssim": WINDOW, "ms_ssim": SMALLEST}
    for index, (a, b) in enumerate(zip(*pair, strict=True)):
        here = {i: mask[index] for i, mask in enumerate(inside) if mask[index].any()}
        if not here or min(shape) < WINDOW:
            continue
        one, other = a.astype(np.float64), b.astype(np.float64)
        structure = ssim_map(one, other, data_range)
        scales = None
        if min(shape) >= SMALLEST:
            scales = similarity_maps(one, other, data_range)
        for i, mask in here.items():
            n_voxels = int(mask.sum())
            sums["ssim"][i] += structure[mask].sum()
            counts["ssim"][i] += n_voxels
            value = similarity_within(scales, mask) if scales else float("nan")
            if not np.isnan(value):
                sums["ms_ssim"][i] += n_voxels * value
                counts["ms_ssim"][i] += n_voxels
    return [
        _window_values(
            {name: (sums[name][i], counts[name][i]) for name in sums},
            int(mask.sum()),
            {name: (size, shape) for name, size in sizes.items()},
        )
        for i, mask in enumerate(inside)
    ]


def _window_values(
    found: Mapping[str, tuple[float, float]],
    n_voxels: int,
    needed: Mapping[str, tuple[int, tuple[int, ...]]],
) -> Values:
    values, reasons = {}, {}
    for name, (total, count) in found.items():
        size, shape = needed[name]
        title = METRICS[name].title
        if n_voxels < SMALLEST_REGION:
            reasons[name] = (
                f"{title} needs a region of {SMALLEST_REGION} voxels or more (one "
                f"window), got {n_voxels}."
            )
        elif min(shape) < size:
            sides = " x ".join(map(str, shape))
            reasons[name] = (
                f"{title} needs slices of {size} pixels or more, got {sides}."
            )
        elif not count:
            reasons[name] = f"{title} needs a region that is not at the very border."
        else:
            values[name] = total / count
    return values, reasons


def _point_values(
    pair: Pair, mask: NDArray[np.bool_], declaration: Declaration
) -> Values:
    """MAE, RMSE, PSNR and NMSE; reasons where the region is empty or truth is 0."""
    a, b = (image[mask] for image in pair)
    width = declaration.data_range
    metrics: dict[str, Any] = {
        "mae": lambda: width * mae(a, b, data_range=width),
        "rmse": lambda: width * rmse(a, b, data_range=width),
        "psnr": lambda: psnr(a, b, data_range=width),
        "nmse": lambda: nmse(a, b),
    }
    values, reasons = {}, {}
    for name, compute in metrics.items():
        try:
            values[name] = compute()
        except ValueError as err:
            reasons[name] = str(err)
    return values, reasons


def _check(regions: Sequence[Region], truth: Volume) -> None:
    for region in regions:
        if region.mask.shape != truth.shape:
            raise VolumeError(
                f"The region {region.name} needs the shape of the real image "
                f"{truth.shape}, got {region.mask.shape}: resample it first."
            )
