"""Where a synthesis is measured: the whole image, the subject, each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

WHOLE, FOREGROUND = "whole image", "foreground"
TRUTH = "the real image"


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels that are measured together.

    Parameters
    ----------
    name : str
        "whole image", "foreground", "lesion_mask 1", ...
    mask : ndarray of bool
        (Z, Y, X), on the grid of the real image.
    """

    name: str
    mask: NDArray[np.bool_]


def regions_of(
    truth: Volume, labels: Mapping[str, NDArray[Any]] | None = None
) -> tuple[Region, ...]:
    """Give the whole image, the foreground, and every label of every label image.

    Parameters
    ----------
    truth : Volume
        The real image.
    labels : mapping, optional
        Name to whole numbers (Z, Y, X) on the grid of `truth`; 0 is no label.

    Raises
    ------
    VolumeError
        If a label image has another shape.
    """
    from napari_medsynth.engine.metrics import foreground

    regions = [
        Region(WHOLE, np.ones(truth.shape, bool)),
        Region(FOREGROUND, foreground(truth.data[0])),
    ]
    for name, array in (labels or {}).items():
        if array.shape != truth.shape:
            raise VolumeError(
                f"The labels {name} need the shape of the real image {truth.shape}, "
                f"got {array.shape}: resample them first."
            )
        values = np.unique(array)
        regions += [Region(f"{name} {int(v)}", array == v) for v in values if v != 0]
    return tuple(regions)


def labels_on(volume: Volume, truth: Volume) -> NDArray[np.int32]:
    """Give a label image (Z, Y, X) on the grid of `truth`, by nearest neighbours.

    Raises
    ------
    VolumeError
        If it has several channels, or values that are no whole numbers.
    """
    from napari_medsynth.io import same_grid
    from napari_medsynth.prepare.align import resample

    name = volume.name or "the labels"
    data = one_channel(volume, name)
    if not np.array_equal(data, np.rint(data)):  # also for NaN
        raise VolumeError(
            f"Labels are whole numbers, and {name} holds others: choose a mask."
        )
    if not same_grid(volume, truth):
        data = resample(volume, truth, is_labels=True).data[0]
    return data.astype(np.int32)


def on_grid_of(
    truth: Volume, synthetic: Volume, name: str = "the synthesis"
) -> tuple[Volume, tuple[str, ...]]:
    """Give a synthesis on the grid of `truth`, and notes if it was resampled.

    Raises
    ------
    VolumeError
        If either has several channels, or they hardly overlap.
    """
    from napari_medsynth.io import Study
    from napari_medsynth.prepare import to_grid

    for volume, called in ((truth, TRUTH), (synthetic, name)):
        one_channel(volume, called)
    study = to_grid(Study({TRUTH: truth, name: synthetic}), TRUTH)
    return study[name], study.notes


def one_channel(volume: Volume, name: str) -> NDArray[np.float32]:
    """Give the voxels (Z, Y, X) of a volume of one channel.

    Raises
    ------
    VolumeError
        If it has more.
    """
    if volume.data.shape[0] != 1:
        raise VolumeError(
            f"Images of one channel are compared, but {name} has "
            f"{volume.data.shape[0]}: choose one of them."
        )
    return volume.data[0]
