"""Which slices of a study tell how good a model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

from .metrics import foreground
from .slices import PLANES

if TYPE_CHECKING:
    from napari_medsynth.io import Study

MIDDLE = (0.15, 0.85)  # of the slices that show the subject
_MIN_SHARE = 0.02  # of a slice that shows the subject
_MIN_SIDE = 11  # pixels that SSIM looks at together


def telling_slices(study: Study, plane: str, n_slices: int) -> list[int]:
    """Give numbers of slices, evenly spread over the middle of the subject.

    Raises
    ------
    VolumeError
        If there is none, or they are too small to measure.
    """
    volume = next(iter(study.volumes.values()))
    stack = np.moveaxis(volume.data[0], PLANES[plane], 0)
    name = study.subject or "The study"
    if min(stack.shape[1:]) < _MIN_SIDE:
        raise VolumeError(
            f"{name} has {plane} slices of {stack.shape[1]} x {stack.shape[2]} pixels; "
            f"a comparison needs {_MIN_SIDE} each way."
        )
    shown = np.flatnonzero(foreground(stack).mean(axis=(1, 2)) > _MIN_SHARE)
    if not len(shown):
        raise VolumeError(f"{name} shows nothing to compare in {volume.modality}.")
    places = np.linspace(*MIDDLE, n_slices) * (len(shown) - 1)
    return [int(i) for i in np.unique(shown[places.round().astype(int)])]
