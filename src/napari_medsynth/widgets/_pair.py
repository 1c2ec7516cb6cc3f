"""Two layers as images of one grid."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.io import Study
from napari_medsynth.io.geometry import same_grid

from ._composite import Window

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_medsynth.io import Volume


def load_pair(
    first: Callable[[], Volume], second: Callable[[], Volume]
) -> Generator[None, None, tuple[Volume, Volume]]:
    """Give two volumes on the grid of the first; for a worker thread.

    Parameters
    ----------
    first, second : callable
        As `volume_later` gives them.

    Raises
    ------
    VolumeError
        If a layer is no plain image, or the two share too little of their fields.
    """
    one = first()
    yield
    other = second()
    yield
    if same_grid(one, other):
        return one, other
    from napari_medsynth.prepare import to_grid  # imports SimpleITK

    names = [one.name or "the first image", other.name or "the second image"]
    study = Study(dict(zip(names, (one, other), strict=True)))
    return one, to_grid(study, names[0])[names[1]]


def window_of(layer: Image) -> Window:
    """Give the window in which a layer shows its values now."""
    low, high = (float(limit) for limit in layer.contrast_limits)
    colours = layer.colormap.map(np.linspace(0, 1, 256))[:, :3]
    levels = np.rint(255 * np.clip(colours, 0, 1)).astype(np.uint8)
    return Window(low, high, float(layer.gamma), levels)
