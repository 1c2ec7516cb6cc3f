"""Slices of a volume, and how they fit the input of a 2D network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_medsynth.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
BACKGROUND = -1.0
_SPACING_TOLERANCE = 0.2

Pair = tuple[int, int]


@dataclass(frozen=True)
class SliceFrame:
    """Where the pixels of a slice lie in the network's image.

    A slice of `size` is resampled to `inner`, covering the same area, and `inner` is
    put into an image of `padded` pixels, `offset` pixels from its first corner. What is
    around it is background, or repeats its border if `is_edge_repeated`.
    """

    axis: int
    size: Pair
    inner: Pair
    padded: Pair
    offset: Pair
    is_edge_repeated: bool = False

    @property
    def is_resampled(self) -> bool:
        return self.inner != self.size

    def to_network(self, images: Tensor) -> Tensor:
        """Resample and pad (N, C, *size) to (N, C, *padded)."""
        if self.is_resampled:
            images = _resample(images, self.inner)
        (top, left), (height, width) = self.offset, self.inner
        below = self.padded[0] - height - top
        right = self.padded[1] - width - left
        sides = (left, right, top, below)
        if self.is_edge_repeated:
            return F.pad(images, sides, mode="replicate")
        return F.pad(images, sides, value=BACKGROUND)

    def from_network(self, images: Tensor) -> Tensor:
        """Crop and resample (N, C, *padded) back to (N, C, *size)."""
        (top, left), (height, width) = self.offset, self.inner
        images = images[..., top : top + height, left : left + width]
        return _resample(images, self.size) if self.is_resampled else images

    def pixel_of(self, position: tuple[float, float]) -> tuple[float, float]:
        """Give the slice's pixel coordinates of a position in the network's image."""
        row, column = (
            (u - start + 0.5) * n / m - 0.5
            for u, start, n, m in zip(
                position, self.offset, self.size, self.inner, strict=True
            )
        )
        return row, column


def frame_slices(
    volume: Volume,
    plane: str,
    *,
    size_multiple: int,
    spacing: float | None,
    scale: int = 1,
    is_edge_repeated: bool = False,
) -> SliceFrame:
    """Fit the slices of `volume` along `plane` to a network.

    Parameters
    ----------
    volume : Volume
        The reference grid.
    plane : {"axial", "coronal", "sagittal"}
        Slices (Y, X), (Z, X) or (Z, Y).
    size_multiple : int
        Both sides of the network's image are multiples of it.
    spacing : float or None
        Pixel size [mm] that slices are resampled to if theirs differs by more than a
        fifth along any side; None: never.
    scale : int
        The offset is a multiple of it, so that a network that sees every scale-th
        pixel sees the first one of each block.
    is_edge_repeated : bool
        Repeat the border instead of adding background: a black frame would darken what
        is bright up to the border, such as a radiograph.

    Raises
    ------
    EngineError
        If the plane is unknown.
    """
    if plane not in PLANES:
        known = ", ".join(PLANES)
        raise EngineError(f"The plane must be one of {known}, got {plane!r}.")
    axis = PLANES[plane]
    rows, columns = other_axes(axis)
    size = (volume.shape[rows], volume.shape[columns])
    mm = (volume.spacing[rows], volume.spacing[columns])
    inner = size
    if spacing and any(abs(s - spacing) > _SPACING_TOLERANCE * spacing for s in mm):
        inner = _pair(
            max(1, round(n * s / spacing)) for n, s in zip(size, mm, strict=True)
        )
    padded = _pair(-(-n // size_multiple) * size_multiple for n in inner)
    offset = _pair(
        (big - n) // 2 // scale * scale for big, n in zip(padded, inner, strict=True)
    )
    return SliceFrame(axis, size, inner, padded, offset, is_edge_repeated)


def slice_indices(slices: Any, n_slices: int) -> tuple[int, ...]:
    """Give the indices that ``None`` (all), a number or a sequence asks for.

    Raises
    ------
    EngineError
        If there is none, or one is outside the volume.
    """
    if slices is None:
        return tuple(range(n_slices))
    wanted = (slices,) if isinstance(slices, int | np.integer) else slices
    indices = tuple(dict.fromkeys(int(i) for i in wanted))
    if not indices:
        raise EngineError("No slice to synthesise: choose at least one.")
    outside = [i for i in indices if not 0 <= i < n_slices]
    if outside:
        raise EngineError(
            f"Slices are numbered 0 to {n_slices - 1} in this plane, got {outside[0]}."
        )
    return indices


def other_axes(axis: int) -> Pair:
    """Give the volume axes of a slice's rows and columns."""
    return _pair(i for i in range(3) if i != axis)


def take_slice(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Give a view of one slice (H, W) of an array (Z, Y, X)."""
    return np.moveaxis(array, axis, 0)[index]


def _resample(images: Tensor, size: Pair) -> Tensor:
    return F.interpolate(
        images.to(torch.float32), size, mode="bilinear", antialias=True
    ).to(images.dtype)


def _pair(values: Iterable[int]) -> Pair:
    first, second = values
    return first, second
