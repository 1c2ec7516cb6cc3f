"""How much two maps are alike."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.stats import spearmanr
from torch.nn import functional as F

from napari_medsynth.errors import EngineError
from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import same_grid

Map = NDArray[np.float32]


def rank_correlation(a: Map | Volume, b: Map | Volume) -> float:
    """Give Spearman's rank correlation of two maps [1]_: -1 to 1, nan if one is flat.

    Parameters
    ----------
    a, b : ndarray or Volume
        Two arrays that cover the same area, or two volumes; the coarser one is brought
        to the grid of the finer one, linearly, and places that only one covers do not
        count.

    Raises
    ------
    EngineError
        If one is an array and the other a volume, or they share nothing.

    References
    ----------
    .. [1] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
       https://arxiv.org/abs/1810.03292
    """
    if isinstance(a, Volume) and isinstance(b, Volume):
        one, other = (volume.data[0] for volume in on_one_grid(a, b))
    elif isinstance(a, Volume) or isinstance(b, Volume):
        raise EngineError(
            "A map of a slice cannot be compared with a volume: make both."
        )
    else:
        one, other = _of_one_shape(a, b)
    counted = np.isfinite(one) & np.isfinite(other)
    if not counted.any():
        raise EngineError("The two maps share no place: choose maps of one study.")
    x, y = one[counted], other[counted]
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)


def on_one_grid(a: Volume, b: Volume) -> tuple[Volume, Volume]:
    """Bring the coarser of two volumes to the grid of the finer one.

    What it does not cover is nan; a voxel covers half its size around its centre.
    """
    if same_grid(a, b):
        return a, b
    if np.prod(a.spacing) <= np.prod(b.spacing):
        return a, _moved(b, a)
    return _moved(a, b), b


def _moved(source: Volume, target: Volume) -> Volume:
    at = np.indices(target.shape, dtype=np.float64).reshape(3, -1)
    scale = np.array(target.spacing)[:, None]
    world = target.direction @ (at * scale) + np.array(target.origin)[:, None]
    index = source.direction.T @ (world - np.array(source.origin)[:, None])
    index /= np.array(source.spacing)[:, None]
    values = map_coordinates(source.data[0], index, order=1, mode="nearest")
    last = np.array(source.shape)[:, None] - 0.5
    slack = 1e-6
    covered = np.all((index >= -0.5 - slack) & (index <= last + slack), axis=0)
    moved = np.where(covered, values, np.nan).astype(np.float32)
    return source.with_data(
        moved.reshape(1, *target.shape),
        spacing=target.spacing,
        origin=target.origin,
        direction=target.direction,
        orientation=target.orientation,
    )


def _of_one_shape(a: Map, b: Map) -> tuple[Map, Map]:
    if a.shape == b.shape:
        return a, b
    if a.size < b.size:
        return _resized(a, b.shape), b
    return a, _resized(b, a.shape)


def _resized(values: Map, shape: tuple[int, ...]) -> Map:
    image = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    resized: Map = F.interpolate(image, shape, mode="bilinear")[0, 0].numpy()
    return resized
