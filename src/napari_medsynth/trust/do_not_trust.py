"""A mask of what not to trust, hatched so that the anatomy stays visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure

from napari_medsynth.engine.slices import PLANES
from napari_medsynth.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

LIMIT = 0.2  # of the range: about what grey and white matter differ by
STRIPE, PERIOD = 2, 6  # pixels


def do_not_trust(
    half_width: Volume,
    *,
    data_range: float,
    limit: float = LIMIT,
    mask: NDArray[np.bool_] | None = None,
    plane: str = "axial",
    is_hatched: bool = True,
) -> Volume:
    """Mark where the true value may be further away than a share of the range.

    Parameters
    ----------
    half_width : Volume
        Half the width of the interval, see `conformal.half_width`.
    data_range : float
        Width of the target's range in its unit, `Uncertainty.ranges`.
    limit : float
        Share of the range.
    mask : ndarray of bool, optional
        (Z, Y, X), voxels that may be marked; all by default.
    plane : {"axial", "coronal", "sagittal"}
        Slices in which outlines are drawn.
    is_hatched : bool
        False: mark all of each region.

    Returns
    -------
    Volume
        1 where marked, else 0: cast to uint8, it is the data of a Labels layer.
        ``metadata["marked_share"]`` is the share of `mask` that is not to be trusted,
        stripes counted as full.

    Raises
    ------
    EngineError
        If the limit is not above 0 or the plane is unknown.
    """
    if not limit > 0 or plane not in PLANES:
        raise EngineError(
            "A mask of what not to trust needs a limit above 0 and one of the planes "
            f"{', '.join(PLANES)}, got {limit} and {plane!r}."
        )
    allowed = np.ones(half_width.shape, bool) if mask is None else mask
    wide = (half_width.data[0] > limit * data_range) & allowed
    marked = hatch(wide, axis=PLANES[plane]) if is_hatched else wide
    metadata: dict[str, Any] = {
        **half_width.metadata,
        "trust": "do not trust",
        "limit": limit,
        "marked_share": float(wide.sum() / max(allowed.sum(), 1)),
    }
    return half_width.with_data(
        marked[np.newaxis].astype(np.float32),
        modality="",
        name=f"do not trust (uncertain by more than {100 * limit:g} % of the range)",
        metadata=metadata,
    )


def hatch(
    mask: NDArray[np.bool_],
    *,
    axis: int = 0,
    stripe: int = STRIPE,
    period: int = PERIOD,
    first: int = 0,
) -> NDArray[np.bool_]:
    """Keep the outline of each region, and diagonal stripes of its inside.

    Parameters
    ----------
    mask : ndarray of bool
        (Z, Y, X).
    axis : int
        Across the slices: outlines are those of slices along it. Stripes are diagonal
        in every plane.
    stripe, period : int
        Width of a stripe and distance from one to the next, along rows [pixel].
    first : int
        Index of the first slice along `axis`, if `mask` is a part of a volume.
    """
    cross = generate_binary_structure(3, 1)
    np.moveaxis(cross, axis, 0)[[0, 2]] = False  # neighbours in the slice only
    outline = mask & ~binary_erosion(mask, cross)
    z, y, x = np.ogrid[tuple(slice(n) for n in mask.shape)]
    return outline | (mask & ((z + y + x + first) % period < stripe))
