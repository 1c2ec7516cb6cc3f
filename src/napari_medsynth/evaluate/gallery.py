"""The pictures of a report: one row per synthesis, at the slice that tells most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.engine.slices import PLANES

from .pictures import Picture, comparison_picture
from .regions import on_grid_of

if TYPE_CHECKING:
    from napari_medsynth.io import Volume

    from .declaration import Declaration
    from .regions import Region

_TRUTH = "real"


def report_pictures(
    syntheses: Mapping[str, Volume],
    truth: Volume,
    regions: Sequence[Region],
    declaration: Declaration,
    *,
    sources: Mapping[str, Volume] | None = None,
    plane: str = "axial",
    index: int | None = None,
) -> list[Picture]:
    """Draw sources, synthesis, real image and difference of each synthesis in a row.

    Parameters
    ----------
    syntheses : mapping
        Model to synthesis; resampled to the grid of `truth` where needed.
    truth : Volume
        The real image.
    regions : sequence of Region
        Without `index`, the slice with most voxels of the last one is drawn: give
        lesions last.
    declaration : Declaration
        How synthesis and truth are scaled.
    sources : mapping, optional
        Caption to volume, drawn first, each by its own percentiles.
    plane : {"axial", "coronal", "sagittal"}
    index : int, optional
        Of the slice, on the grid of `truth`.

    Raises
    ------
    VolumeError
        If the images hardly overlap, or there is no such plane or slice.
    """
    if index is None:
        index = telling_slice(regions[-1], plane)
    real = f"{_TRUTH} {truth.modality}".strip()
    limits = None
    pictures = []
    for model, synthesis in syntheses.items():
        if declaration.kind != "percentile":
            shown = (declaration.low, declaration.high)
            limits = {model: shown, real: shown}
        volumes = {**(sources or {}), model: synthesis}
        row = {name: on_grid_of(truth, v, name)[0] for name, v in volumes.items()}
        png = comparison_picture(
            row | {real: truth}, index, plane, limits, difference=(model, real)
        )
        caption = (
            f"{model} (synthetic) and the real image, {plane} slice {index}. "
            "Difference: blue where the synthesis is too dark, red where it is too "
            "bright, full colour at 30 % of the range."
        )
        pictures.append(Picture(caption, png))
    return pictures


def telling_slice(region: Region, plane: str = "axial") -> int:
    """Give the slice that holds most of a region; the middle one of an empty region."""
    axis = PLANES.get(plane, 0)
    others = tuple(i for i in range(3) if i != axis)
    counts = region.mask.sum(axis=others)
    return int(np.argmax(counts)) if counts.any() else len(counts) // 2
