"""Frames of one series -> volumes: order, gaps, duplicates, tilt.

SimpleITK stretches the spacing over a missing slice, shrinks it for a duplicate, and
drops the shear of a tilted gantry. Positions are therefore believed, not file names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import MOST_VOLUMES
from .dicom_pixels import read_pixels
from .dicom_scan import Frame, to_number
from .source import Source

_SAME_PLACE = 1e-3
# Gaps that differ by less than this share of the slice distance are equal.
_EVEN = 0.05
_FEW_SLICES = 3


def split(frames: list[Frame], source: Source) -> list[list[Frame]]:
    """Part the frames of a series into stacks, each with one image per place.

    Raises
    ------
    VolumeError
        If slices differ in size, or stand twice at one place with different pixels.
    """
    frames = _without_copies(frames, source)
    sizes = sorted({f.size for f in frames})
    if len(sizes) > 1:
        listed = " and ".join(f"{rows} x {columns}" for rows, columns in sizes)
        raise VolumeError(
            f"{source.title} has slices of different sizes in one series ({listed}); it"
            " cannot be one volume."
        )
    planes = _grouped(frames, lambda f: (_key(f.orientation, 2), _key(f.spacing, 3)))
    if len(planes) > 1:
        source.warn(
            f"{source.title} mixes {len(planes)} slice orientations or pixel sizes in"
            " one"
            f" series; they were opened as {len(planes)} volumes."
        )
    return [stack for plane in planes for stack in _one_per_place(plane, source)]


def geometry(
    frames: list[Frame], source: Source
) -> tuple[list[Frame], np.ndarray, np.ndarray]:
    """Order a stack and lay its grid.

    Returns
    -------
    frames : list of Frame
        Along the slice normal.
    affine : ndarray
        (4, 4), index (column, row, slice) to LPS [mm], sheared if the gantry was.
    at : ndarray
        Place of each frame on the grid's slice axis, in slices: 0, 1, 2, 4, ... where
        one is missing.
    """
    first = frames[0]
    axes = _axes(first, source)
    rows, columns = _pixel_size(first, source)
    normal = np.cross(*axes)
    if any(f.position is None for f in frames):
        frames, step, at = _by_number(frames, normal, source)
        origin = np.zeros(3)
    else:
        frames = sorted(frames, key=lambda f: float(_place(f) @ normal))
        origin = _place(frames[0])
        step, at = _steps(frames, normal, source)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = axes[0] * columns, axes[1] * rows
    affine[:3, 2], affine[:3, 3] = step, origin
    return frames, affine, at


def on_grid(planes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate planes (N, rows, columns) at places `at` linearly to 0, 1, 2, ..."""
    wanted = np.arange(round(at[-1]) + 1)
    if len(wanted) == len(at) and np.allclose(at, wanted, atol=1e-9):
        return planes
    upper = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    share = (wanted - at[upper - 1]) / (at[upper] - at[upper - 1])
    share = np.clip(share, 0, 1)[:, np.newaxis, np.newaxis]
    low, high = planes[upper - 1], planes[upper]
    result: np.ndarray = low * (1 - share) + high * share
    return result


def _without_copies(frames: list[Frame], source: Source) -> list[Frame]:
    """Drop files that are copies of another one: same identity, same pixels."""
    kept: list[Frame] = []
    for twins in _grouped(frames, _identity):
        kept += _distinct(twins, source)
    return kept


def _identity(frame: Frame) -> Hashable:
    uid = str(frame.header.get("SOPInstanceUID", "")) or str(frame.path)
    return uid, frame.index, _key(frame.position, 2)


def _one_per_place(frames: list[Frame], source: Source) -> list[list[Frame]]:
    places = _grouped(frames, _place_key)
    if frames[0].position is None or len(places) == len(frames):
        return [frames]
    for i in range(len(frames[0].contrast)):
        groups = _grouped(frames, lambda f, i=i: f.contrast[i])  # type: ignore[misc]
        alone = all(len(_grouped(g, _place_key)) == len(g) for g in groups)
        if len(groups) > 1 and alone:
            return _few(groups, source)
    distinct = [_distinct(place, source) for place in places]
    counts = {len(place) for place in distinct}
    if len(counts) > 1:
        raise VolumeError(
            f"{source.title} has different slices at the same place; it is not one"
            " volume."
        )
    ordered = [sorted(place, key=lambda f: f.number) for place in distinct]
    return _few([[p[i] for p in ordered] for i in range(counts.pop())], source)


def _few(groups: list[list[Frame]], source: Source) -> list[list[Frame]]:
    if len(groups) > MOST_VOLUMES:
        raise VolumeError(
            f"{source.title} holds {len(groups)} images of each place (a time series?);"
            " save the one that you want as a volume."
        )
    if len(groups) > 1:
        source.warn(
            f"{source.title} holds {len(groups)} images of each place; they were"
            " opened as"
            f" {len(groups)} volumes."
        )
    return groups


def _distinct(frames: list[Frame], source: Source) -> list[Frame]:
    """The frames of one place that differ in their pixels."""
    if len(frames) == 1:
        return frames
    kept: dict[bytes, Frame] = {}
    for frame in frames:
        kept.setdefault(read_pixels([frame], Source(frame.path, "")).tobytes(), frame)
    if len(kept) < len(frames):
        source.warn(f"{source.title} holds copies of slices; each was taken once.")
    return list(kept.values())


def _axes(frame: Frame, source: Source) -> np.ndarray:
    if frame.orientation is not None:
        return frame.orientation
    if _is_scan(frame):
        source.warn(
            f"{source.title} has no orientation; its slices were taken as axial, seen"
            " from"
            " the feet."
        )
    return np.eye(3)[:2]


def _pixel_size(frame: Frame, source: Source) -> tuple[float, float]:
    if frame.spacing is None:
        source.warn(
            f"{source.title} has no pixel spacing; 1 mm was taken, distances are wrong."
        )
        return 1.0, 1.0
    return frame.spacing


def _by_number(
    frames: list[Frame], normal: np.ndarray, source: Source
) -> tuple[list[Frame], np.ndarray, np.ndarray]:
    distance = _slice_distance(frames[0])
    if len(frames) > 1:
        source.warn(
            f"{source.title} has no slice positions; the slices were put in the order"
            " of"
            f" their numbers, {distance or 1:g} mm apart, at an unknown place."
        )
    ordered = sorted(frames, key=lambda f: f.number)
    return ordered, normal * (distance or 1.0), np.arange(float(len(frames)))


def _steps(
    frames: list[Frame], normal: np.ndarray, source: Source
) -> tuple[np.ndarray, np.ndarray]:
    """Vector from slice to slice, and the place of each frame in such steps."""
    if len(frames) == 1:
        return normal * (_slice_distance(frames[0]) or 1.0), np.zeros(1)
    positions = np.array([_place(f) for f in frames])
    heights = (positions - positions[0]) @ normal
    along = (positions[-1] - positions[0]) / heights[-1]
    off_line = np.abs(positions - positions[0] - np.outer(heights, along)).max()
    if off_line > max(frames[0].spacing or (1.0,)):
        raise VolumeError(
            f"{source.title} has slices that are not stacked along one line (up to"
            f" {off_line:.1f} mm off); it cannot be one volume."
        )
    if len(frames) <= _FEW_SLICES and _is_scan(frames[0]):
        source.warn(f"{source.title} has only {len(frames)} slices.")
    at, step = _regular(heights, source)
    return along * step, at


def _regular(heights: np.ndarray, source: Source) -> tuple[np.ndarray, float]:
    """Places in steps, and the step [mm], of ascending heights [mm]."""
    gaps = np.diff(heights)
    step = float(np.median(gaps))
    if np.abs(gaps - step).max() <= _EVEN * step:
        return np.arange(float(len(heights))), float(gaps.mean())
    counts = np.rint(gaps / step)
    n_missing = int(counts.sum() - len(gaps))
    has_holes = counts.min() >= 1 and np.abs(gaps - counts * step).max() <= _EVEN * step
    if n_missing > len(heights):
        raise VolumeError(
            f"{source.title} has {len(heights)} of {len(heights) + n_missing} slices;"
            " more"
            " than half are missing."
        )
    if has_holes:
        source.warn(
            f"{source.title} lacks {n_missing} slice{'s' * (n_missing > 1)};"
            " interpolated"
            f" from the neighbours at a distance of {step:g} mm."
        )
        return np.concatenate([[0], np.cumsum(counts)]), float(
            heights[-1] / counts.sum()
        )
    source.warn(
        f"{source.title} has uneven slice distances ({gaps.min():.2f} to"
        f" {gaps.max():.2f}"
        f" mm); it was interpolated to about {step:g} mm."
    )
    step = float(heights[-1] / max(1, round(heights[-1] / step)))
    return heights / step, step


def _slice_distance(frame: Frame) -> float:
    values = (
        frame.header.get("SpacingBetweenSlices"),
        frame.header.get("SliceThickness"),
    )
    return next((abs(to_number(v)) for v in values if to_number(v)), 0.0)


def _is_scan(frame: Frame) -> bool:
    """A cross-section, where a radiograph or photograph has no place in the body."""
    return str(frame.header.get("Modality", "")) in ("MR", "CT", "PT")


def _place(frame: Frame) -> np.ndarray:
    return np.zeros(3) if frame.position is None else frame.position


def _place_key(frame: Frame) -> Hashable:
    return _key(frame.position, 2)


def _key(values: Any, digits: int) -> Hashable:
    if values is None:
        return None
    rounded = np.round(np.asarray(values, dtype=float), digits) + 0.0
    return tuple(rounded.ravel().tolist())


def _grouped(
    frames: list[Frame], key: Callable[[Frame], Hashable]
) -> list[list[Frame]]:
    groups: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(key(frame), []).append(frame)
    return list(groups.values())
