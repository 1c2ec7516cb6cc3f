"""MAE, RMSE, PSNR, SSIM, MS-SSIM and NMSE of a synthesis, region by region."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine.metrics import mae, nmse, psnr, rmse
from napari_medsynth.errors import VolumeError

from .metric_names import METRICS
from .regions import Region, on_grid_of
from .windowed import Values, scales_note, windowed_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

    from .declaration import Declaration


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
) -> Generator[tuple[int, int], None, tuple[Measured, ...]]:
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
    tuple of int
        Slices that are done, and all of them.

    Returns
    -------
    tuple of Measured
        One per region, in their order.

    Raises
    ------
    VolumeError
        If the images hardly overlap or a region has another shape.
    """
    synthetic, notes = on_grid_of(truth, synthetic, model)
    notes += scales_note(truth.shape[1:])
    _check(regions, truth)
    pair = scaled_pair(synthetic, truth, declaration)
    finite = np.isfinite(pair[0]) & np.isfinite(pair[1])
    inside = [region.mask & finite for region in regions]
    steps = windowed_values(*pair, inside, declaration.data_range)
    local = yield from _counted(steps, len(finite))
    rows = []
    for region, mask, (similar, why_not) in zip(regions, inside, local, strict=True):
        values, reasons = _point_values(pair, mask, declaration)
        values |= similar
        ordered = {name: values[name] for name in METRICS if name in values}
        n_voxels = int(mask.sum())
        reasons |= why_not
        rows.append(Measured(model, region.name, n_voxels, ordered, reasons, notes))
    return tuple(rows)


def scaled_pair(
    synthetic: Volume, truth: Volume, declaration: Declaration
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give synthesis and real image (Z, Y, X), scaled as declared."""
    return declaration.scale(synthetic.data[0]), declaration.scale(truth.data[0])


def _counted(
    steps: Generator[int, None, list[Values]], total: int
) -> Generator[tuple[int, int], None, list[Values]]:
    while True:
        try:
            yield next(steps), total
        except StopIteration as finished:
            return list(finished.value)


def _point_values(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
    mask: NDArray[np.bool_],
    declaration: Declaration,
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
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
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
