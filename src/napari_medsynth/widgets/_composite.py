"""Composite: two images of one grid in one picture, painted slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Key = tuple[int | slice, ...]
    Picture = NDArray[np.uint8]
    Indices = Sequence[NDArray[np.intp]]

DIVIDER = (255, 176, 0)  # orange, as the notice on synthetic images


@dataclass(frozen=True, eq=False)
class Window:
    """How an image is shown: its contrast limits, gamma and colours.

    Parameters
    ----------
    low, high : float
        Values that get the first and the last colour.
    gamma : float
        Exponent of the share in between.
    colours : ndarray
        uint8, (256, 3).
    """

    low: float = 0.0
    high: float = 1.0
    gamma: float = 1.0
    colours: NDArray[np.uint8] = field(
        default_factory=lambda: np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(
            256, 3
        )
    )

    def share(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give `values` as shares of the window: 0 at `low`, 1 at `high`, no limits."""
        width = np.float32(max(self.high - self.low, 1e-30))
        shares: NDArray[np.float32] = (values - np.float32(self.low)) / width
        return shares

    def paint(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Give the colours (..., 3) of `values`; what is no number is as `low`."""
        shares = np.clip(np.nan_to_num(self.share(values)), 0, 1)
        if self.gamma != 1:
            shares **= np.float32(self.gamma)
        painted: NDArray[np.uint8] = self.colours[
            np.rint(255 * shares).astype(np.uint8)
        ]
        return painted


class Pattern(Protocol):
    """Says how two painted images make one picture."""

    def mix(
        self, first: Picture, second: Picture, index: Indices, shown: Sequence[int]
    ) -> Picture:
        """Give the picture (..., 3).

        Parameters
        ----------
        first, second : ndarray
            uint8, (..., 3).
        index : sequence of three arrays
            Of the voxels along (Z, Y, X); they broadcast to the picture.
        shown : sequence of int
            The axes that run over the picture.
        """
        ...


@dataclass(frozen=True)
class Curtain:
    """The first image up to voxel `position` of `axis`, the second behind it.

    The last voxels before the divider are tinted, so that it can be seen and grasped.
    """

    axis: int
    position: float

    def mix(
        self, first: Picture, second: Picture, index: Indices, shown: Sequence[int]
    ) -> Picture:
        place = index[self.axis]
        picture = _choose(place <= self.position, first, second)
        if self.axis in shown:  # a plane along the divider has no line
            line = place == np.floor(self.position)
            line = np.broadcast_to(line, picture.shape[:-1])
            picture[line] = picture[line] // 2 + np.array(DIVIDER, np.uint8) // 2
        return picture


@dataclass(frozen=True)
class Checkerboard:
    """Squares of the first and the second image in turn, `size` voxels per axis."""

    size: tuple[float, float, float]

    def mix(
        self, first: Picture, second: Picture, index: Indices, shown: Sequence[int]
    ) -> Picture:
        squares = [np.floor_divide(index[axis], self.size[axis]) for axis in shown]
        return _choose(np.asarray(sum(squares) % 2 == 0), first, second)


@dataclass(frozen=True)
class Whole:
    """One of the two images alone."""

    is_second: bool = False

    def mix(
        self, first: Picture, second: Picture, index: Indices, shown: Sequence[int]
    ) -> Picture:
        return second if self.is_second else first


@dataclass(frozen=True)
class Over:
    """The second image, a map, over the first: added to it, or covering it in part."""

    opacity: float = 1.0
    is_added: bool = True

    def mix(
        self, first: Picture, second: Picture, index: Indices, shown: Sequence[int]
    ) -> Picture:
        kept = 1.0 if self.is_added else 1 - self.opacity
        mixed = np.float32(kept) * first + np.float32(self.opacity) * second
        picture: Picture = np.rint(np.minimum(mixed, 255)).astype(np.uint8)
        return picture


class Composite:
    """An array (Z, Y, X, 3) of uint8 colours that is painted when it is indexed.

    napari asks for the slices that it shows, so that the pictures of a whole volume are
    never made, and another pattern costs one slice. Indices are integers and slices.

    Parameters
    ----------
    first, second : ndarray
        float32, (Z, Y, X), of one grid.
    windows : sequence of Window
        Of the first and of the second image.
    pattern : Pattern
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        first: NDArray[np.float32],
        second: NDArray[np.float32],
        windows: Sequence[Window],
        pattern: Pattern,
    ) -> None:
        self.images = (first, second)
        self.windows = list(windows)
        self.pattern = pattern
        self.shape = (*first.shape, 3)
        self.size = int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *(slice(None),) * (self.ndim - len(keys)))
        place, channel = keys[:3], keys[3]
        picture = self._paint(place)
        return picture[..., channel]

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return self[:, :, :].astype(dtype or self.dtype, copy=False)

    def _paint(self, place: Key) -> NDArray[np.uint8]:
        first, second = (
            window.paint(image[place])
            for window, image in zip(self.windows, self.images, strict=True)
        )
        index = _indices(place, self.shape[:3])
        shown = [axis for axis, k in enumerate(place) if isinstance(k, slice)]
        return self.pattern.mix(first, second, index, shown)


def _choose(is_first: NDArray[np.bool_], first: Picture, second: Picture) -> Picture:
    return np.where(is_first[..., np.newaxis], first, second)


def _indices(place: Key, shape: Sequence[int]) -> list[Any]:
    """Give the voxel indices along each axis, shaped to broadcast over the picture."""
    n_shown = sum(isinstance(k, slice) for k in place)
    indices: list[Any] = []
    position = 0
    for k, n in zip(place, shape, strict=True):
        if not isinstance(k, slice):
            indices.append(np.asarray(int(k) % n))
            continue
        form = [1] * n_shown
        form[position] = -1
        indices.append(np.arange(n)[k].reshape(form))
        position += 1
    return indices
