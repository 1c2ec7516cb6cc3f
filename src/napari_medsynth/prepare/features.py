"""What a scan of a head looks like, in a few numbers that no scaling changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume

from .register import coarse

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SPACING = 3.0  # voxel size at which all is measured [mm]
_TOP = 90.0  # below the vertex [mm]: the brain, whatever of face and neck was scanned
_SCALP = 15.0  # that much more of a head with its skull
_SHELL = 3.0  # thickness of the layers under the surface [mm]
_N_SHELLS = 15
_BONE = slice(2, 7)  # layers where the skull is looked for: 6 to 21 mm deep
_BEHIND = 4  # layers under it within which the brain must begin
_VALLEY = 0.85  # darker than that between two brighter layers: bone
_FEWEST = 30  # voxels of a layer that are a sample
_CUT = 0.2  # of the largest slice: a vertex is smaller than that
_SMALLEST = 400.0  # of what can be a whole brain [ml]
_FLOOR = 0.05  # a feature that hardly varied in training still may, by this

SHELLS = ((3, 6), (6, 12), (12, 18), (18, 24), (24, 36))  # depth [mm]
QUANTILES = (2, 10, 25, 75, 90, 98)
NAMES = (
    *(f"depth {low}-{high} mm" for low, high in SHELLS),
    *(f"percentile {q}" for q in QUANTILES),
    *("rim percentile 5", "rim percentile 95"),
    *("core percentile 5", "core percentile 95"),
    "edges",
)
HISTOGRAM = slice(len(SHELLS), len(SHELLS) + len(QUANTILES))


@dataclass(frozen=True, eq=False)
class Look:
    """What one scan looks like.

    Parameters
    ----------
    features : ndarray
        (len(NAMES),) shares of the median brightness inside, air being 0.
    bone : float
        Brightness of the darkest layer between scalp and brain as a share of the
        darker one of its two sides; about 1 or more where there is no skull.
    volume : float
        Of what is not air [ml].
    extent : tuple of float
        Of its box, (Z, Y, X) [mm].
    is_cut : bool
        Whether the field of view ends within the head at its top.
    """

    features: Array
    bone: float
    volume: float
    extent: tuple[float, float, float]
    is_cut: bool

    @property
    def has_skull(self) -> bool:
        """Whether bone lies between a scalp and the brain."""
        return self.bone < _VALLEY

    @property
    def is_head(self) -> bool:
        """Whether it is large enough for a brain."""
        return self.volume >= _SMALLEST


def look_at(volume: Volume) -> Look:
    """Measure a scan of a head, with skull or without, in about 0.1 s.

    Everything is measured on about cubic voxels of 3 mm. Where there is a skull, the
    brain is taken to begin where it becomes bright again under the bone; that is
    rough, and good enough for medians.

    Parameters
    ----------
    volume : Volume
        One channel, any unit, any grid.

    Raises
    ------
    VolumeError
        If it is empty, constant, or nothing in it looks like a body.
    """
    image = coarse(volume, _SPACING)
    array = sitk.GetArrayFromImage(image).astype(np.float64)
    return _look(array, np.array(image.GetSpacing()[::-1]), volume.name)


def _look(array: Array, spacing: Array, name: str) -> Look:
    # Not the minimum: what was resampled is filled with it, darker than the air.
    dark = array[array <= array.mean()]
    light = np.maximum(array - np.percentile(dark, 25), 0.0)
    inside = _inside(light)
    zone = _upper(inside, spacing, _TOP)
    if zone.sum() < _FEWEST:
        raise VolumeError(
            f"{name or 'A scan'} shows no body: choose an image of a head."
        )
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    bone, surface = _skull(_profile(light, zone, depth))
    if bone < _VALLEY:
        brain = _upper(inside, spacing, _TOP + _SCALP) & (depth > surface)
        zone = brain if brain.sum() >= _FEWEST else zone
        depth = ndimage.distance_transform_edt(zone, sampling=spacing)
    areas = inside.sum(axis=(1, 2))
    return Look(
        features=_features(light, zone, depth, spacing),
        bone=bone,
        volume=float(inside.sum() * np.prod(spacing)) / 1000,
        extent=_extent(inside, spacing),
        is_cut=bool(areas[-1] > _CUT * areas.max()),
    )


def summary_of(
    looks: Mapping[str, Sequence[Look]],
    weights: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """Give mean and spread of the features of training scans, as a card keeps them.

    Parameters
    ----------
    looks : mapping
        Modality to one scan of each subject.
    weights : mapping, optional
        How often the network saw each of them; equally often by default.

    Returns
    -------
    dict
        ``names``; ``modalities``: modality to ``mean``, ``std`` (of ``names``),
        ``n_subjects`` and ``with_skull``, the share of scans that show one.
    """
    modalities = {}
    for modality, rows in looks.items():
        table = np.stack([look.features for look in rows])
        share = np.asarray(weights[modality] if weights else np.ones(len(table)))
        mean = np.average(table, axis=0, weights=share)
        std = np.sqrt(np.average((table - mean) ** 2, axis=0, weights=share))
        modalities[modality] = {
            "mean": [round(float(x), 4) for x in mean],
            "std": [round(float(x), 4) for x in std],
            "n_subjects": len(table),
            "with_skull": float(np.average([x.has_skull for x in rows], weights=share)),
        }
    return {"names": list(NAMES), "modalities": modalities}


def known_modalities(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the modalities that a summary describes with the features of today."""
    if list(summary.get("names", ())) != list(NAMES):
        return ()
    return tuple(summary["modalities"])


def distance(
    features: Array,
    summary: Mapping[str, Any],
    modality: str,
    which: slice = slice(None),
) -> float:
    """Give how far features lie from those of a modality in training.

    The root mean square of their distances from the mean in standard deviations:
    about 1 for the training scans themselves.
    """
    known = summary["modalities"][modality]
    spread = np.hypot(known["std"], _FLOOR)
    away = (features - np.asarray(known["mean"])) / spread
    return float(np.sqrt(np.mean(away[which] ** 2)))


def likeness(features: Array, summary: Mapping[str, Any]) -> dict[str, float]:
    """Give the distance of features from every modality, the nearest one first.

    All modalities share one spread, their average: what varied little in training is
    not to be told apart more finely because of that.
    """
    known = summary["modalities"]
    spread = np.sqrt(
        np.mean([np.square(k["std"]) for k in known.values()], axis=0) + _FLOOR**2
    )
    found = {
        modality: float(
            np.sqrt(np.mean(((features - np.asarray(k["mean"])) / spread) ** 2))
        )
        for modality, k in known.items()
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _inside(light: Array) -> Mask:
    """Tell the head from the air: its largest piece, with everything it encloses."""
    bright = light[light > light.mean()]
    level = 0.1 * np.percentile(bright, 98) if bright.size else np.inf
    mask = ndimage.binary_opening(light > level)
    pieces, n_pieces = ndimage.label(mask)
    if n_pieces > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        mask = pieces == sizes.argmax()
    closed = ndimage.binary_closing(np.pad(mask, 3), iterations=3)[3:-3, 3:-3, 3:-3]
    filled = ndimage.binary_fill_holes(closed | mask)
    slices: Iterable[Mask] = (ndimage.binary_fill_holes(slice_) for slice_ in filled)
    return np.stack(list(slices))


def _upper(inside: Mask, spacing: Array, height: float) -> Mask:
    """Give what lies less than `height` [mm] below the vertex."""
    filled = np.flatnonzero(inside.any(axis=(1, 2)))
    if not filled.size:
        return inside
    zone = inside.copy()
    zone[: max(0, filled[-1] + 1 - round(height / spacing[0]))] = False
    return zone


def _profile(light: Array, zone: Mask, depth: Array) -> Array:
    """Give the median brightness of layers under the surface, relative to all."""
    values, at = light[zone], depth[zone]
    medians = np.full(_N_SHELLS, np.nan)
    for number in range(_N_SHELLS):
        layer = values[(at > number * _SHELL) & (at <= (number + 1) * _SHELL)]
        if layer.size >= _FEWEST:
            medians[number] = np.median(layer)
    return medians / max(float(np.median(values)), 1e-9)


def _skull(profile: Array) -> tuple[float, float]:
    """Look for bone: how dark, and at which depth the brain begins under it [mm]."""
    known = np.where(np.isnan(profile), np.inf, profile)
    layer = int(np.argmin(known[_BONE])) + _BONE.start
    outer, inner = np.nanmax(profile[:layer]), profile[layer + 1 : layer + 1 + _BEHIND]
    if np.isnan(inner).all() or not np.isfinite(known[layer]):
        return 1.0, 0.0
    brain = float(np.nanmax(inner))
    side = min(float(outer), brain)
    bone = float(known[layer]) / max(side, 1e-9)
    rise = (known[layer] + brain) / 2
    begins = layer + 1 + int(np.argmax(inner >= rise))
    return bone, begins * _SHELL


def _extent(inside: Mask, spacing: Array) -> tuple[float, float, float]:
    """Give the size of the box around a mask [mm]."""
    z, y, x = (
        float(np.ptp(np.flatnonzero(inside.any(axis=others))) + 1) * size
        for others, size in zip(((1, 2), (0, 2), (0, 1)), spacing, strict=True)
    )
    return z, y, x


def _features(light: Array, zone: Mask, depth: Array, spacing: Array) -> Array:
    values, at = light[zone], depth[zone]
    middle = max(float(np.median(values)), 1e-9)
    shells = [_median(values[(at > low) & (at <= high)]) for low, high in SHELLS]
    rim, core = values[(at > 3) & (at <= 12)], values[at > 27]
    slopes = np.gradient(light, *spacing)
    steep = np.sqrt(sum(slope**2 for slope in slopes))[zone & (depth > 2 * _SHELL)]
    return (
        np.array(
            [
                *(middle if np.isnan(x) else x for x in shells),
                *np.percentile(values, QUANTILES),
                *_tails(rim, middle),
                *_tails(core, middle),
                10 * _median(steep) if steep.size else 0.0,
            ]
        )
        / middle
    )


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size >= _FEWEST else float("nan")


def _tails(values: Array, middle: float) -> tuple[float, float]:
    if values.size < _FEWEST:
        return middle, middle
    low, high = np.percentile(values, (5, 95))
    return float(low), float(high)
