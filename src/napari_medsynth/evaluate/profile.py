"""One number per slice, to be plotted along the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.engine.metrics import mae, nmse, psnr, rmse, ssim
from napari_medsynth.engine.ms_ssim import ms_ssim
from napari_medsynth.engine.slices import PLANES
from napari_medsynth.errors import VolumeError

from .measuring import scaled_pair
from .metric_names import METRICS
from .regions import on_grid_of
from .windowed import SIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

    from .declaration import Declaration
    from .regions import Region

_FUNCTIONS = {"mae": mae, "rmse": rmse, "psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}


def slice_profile(
    synthetic: Volume,
    truth: Volume,
    region: Region,
    declaration: Declaration,
    *,
    metric: str = "psnr",
    plane: str = "axial",
) -> NDArray[np.float64]:
    """Measure every slice of a plane inside a region.

    Parameters
    ----------
    synthetic, truth : Volume
        As for `measure`.
    region : Region
        On the grid of `truth`.
    declaration : Declaration
        How to scale both; percentiles are those of the whole volume.
    metric : str
        A key of `METRICS`.
    plane : {"axial", "coronal", "sagittal"}

    Returns
    -------
    ndarray
        float64, one value per slice, in the units of `Measured`; NaN where the region
        is absent or the metric not defined, infinite PSNR where images are equal.

    Raises
    ------
    VolumeError
        If metric or plane is unknown, or the images hardly overlap.
    """
    for value, known in ((metric, METRICS), (plane, PLANES)):
        if value not in known:
            raise VolumeError(f"One of {', '.join(known)} is needed, got {value!r}.")
    synthetic, _ = on_grid_of(truth, synthetic)
    axis = PLANES[plane]
    a, b, inside = (
        np.moveaxis(array, axis, 0)
        for array in (*scaled_pair(synthetic, truth, declaration), region.mask)
    )
    if min(a.shape[1:]) < SIDES.get(metric, 1):
        return np.full(len(a), np.nan)
    return np.array(
        [
            _value(metric, one, other, mask, declaration.data_range)
            for one, other, mask in zip(a, b, inside, strict=True)
        ]
    )


def _value(
    metric: str,
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    mask: NDArray[np.bool_],
    data_range: float,
) -> float:
    try:
        if metric == "nmse":
            return nmse(a, b, mask=mask)
        value = _FUNCTIONS[metric](a, b, mask=mask, data_range=data_range)
    except ValueError:  # nothing of the region here
        return float("nan")
    return value * data_range if metric in ("mae", "rmse") else value
