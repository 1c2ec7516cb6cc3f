"""Ask: a place on a slice that models are asked about, in world coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._request import Request

CURRENT = 0  # number of the ask that follows the slider; pins are 1, 2, ...
COLOURS = ("#ff9f1c", "#2ec4ff", "#ff4fd8", "#ffe74c", "#b388ff", "#ff6b5e")
GREEN = "#39ff14"  # on grey, and on all colours of maps


@dataclass(frozen=True, eq=False)
class Ask:
    """What the models are asked about.

    Parameters
    ----------
    point : ndarray
        (3,), any point on the slice, in the viewer's world.
    places : ndarray
        (N, 3), points that are asked about.
    areas : tuple of ndarray
        (N, 3) each, corners of polygons that are asked about, inside included.
    number : int
        `CURRENT`, or that of a pin.
    colour : str
        Of its marks, "#rrggbb".

    Notes
    -----
    Without places and areas the whole slice is asked: every token counts the same.
    The world is the viewer's and not a voxel grid, because models may see other grids.
    """

    point: NDArray[np.float64]
    places: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    areas: tuple[NDArray[np.float64], ...] = ()
    number: int = CURRENT
    colour: str = GREEN

    @property
    def is_whole(self) -> bool:
        """Whether it asks about no place in particular."""
        return not len(self.places) and not self.areas

    @property
    def middle(self) -> NDArray[np.float64]:
        """(3,), the middle of what is asked about."""
        known = [self.places, *self.areas]
        middle: NDArray[np.float64] = np.concatenate(known).mean(axis=0)
        return middle

    @property
    def words(self) -> str:
        """For lists: "pin 2: place at 12, -30, 5 mm"."""
        if self.is_whole:
            return "whole slice"
        s, p, left = self.middle
        what = "region" if self.areas or len(self.places) > 1 else "place"
        return f"pin {self.number}: {what} at S {s:.0f}, P {p:.0f}, L {left:.0f} mm"

    def moved_to(self, point: Sequence[float], axis: int) -> Ask:
        """Give the same place on the slice across `axis` that contains `point`."""
        moved = replace(self, point=np.asarray(point, float)[-3:])

        def move(places: NDArray[np.float64]) -> NDArray[np.float64]:
            there = places.copy()
            there[:, axis] = moved.point[axis]
            return there

        areas = tuple(move(area) for area in self.areas)
        return replace(moved, places=move(self.places), areas=areas)


def ask_at(position: Sequence[float]) -> Ask:
    """Ask about one point of the viewer's world."""
    place = np.asarray(position, float)[-3:]
    return Ask(place, places=place[np.newaxis])


def ask_along(path: Sequence[Sequence[float]], request: Request) -> Ask:
    """Ask about what a drawn line encloses; a line as short as a voxel is a point."""
    corners = np.asarray(path, float)[:, -3:]
    voxels = np.ptp(corners, axis=0) / np.asarray(request.place["scale"])
    if np.delete(voxels, request.axis).max() < 2:
        return ask_at(path[0])
    return Ask(corners[0], areas=(corners,))


def pixels_of(ask: Ask, request: Request) -> NDArray[np.bool_]:
    """Give the pixels (h, w) that `ask` means on a slice of a request's first source.

    Imports scikit-image for areas: for a worker thread.
    """
    shown = [i for i in range(3) if i != request.axis]
    size = tuple(request.reference.shape[i] for i in shown)
    mask = np.zeros(size, bool)
    pixels = _on_grid(ask.places, request)[:, shown].round().astype(int)
    inside = ((pixels >= 0) & (pixels < size)).all(axis=1)
    mask[tuple(pixels[inside].T)] = True
    if ask.areas:
        from skimage.draw import polygon2mask

        for area in ask.areas:
            mask |= polygon2mask(size, _on_grid(area, request)[:, shown])
    return mask


def marks_of(ask: Ask, *, most: int = 240) -> NDArray[np.float64]:
    """Give points (N, 3) that show what `ask` is about: at most `most` of them."""
    if ask.areas:
        outline = np.concatenate([_along(area, most) for area in ask.areas])
        return _thinned(np.concatenate([ask.places, outline]), most)
    return _thinned(ask.places, most)


def _on_grid(points: NDArray[np.float64], request: Request) -> NDArray[np.float64]:
    place = request.place
    voxels: NDArray[np.float64] = (points - place["translate"]) / place["scale"]
    return voxels


def _along(corners: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Points at equal distances along a closed line."""
    closed = np.concatenate([corners, corners[:1]])
    lengths = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    reached = np.concatenate([[0.0], lengths.cumsum()])
    wanted = np.linspace(0, reached[-1], n, endpoint=False)
    columns = [np.interp(wanted, reached, closed[:, i]) for i in range(3)]
    return np.stack(columns, axis=1)


def _thinned(points: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    return points[:: max(1, -(-len(points) // most))]
