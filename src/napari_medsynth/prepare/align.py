"""Put the volumes of a study on one grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study, Volume
from napari_medsynth.io.geometry import lps_image, same_grid

MINIMAL_OVERLAP = 0.25
_SAMPLES_PER_AXIS = 24


def to_grid(
    study: Study, reference: str, modalities: Iterable[str] | None = None
) -> Study:
    """Resample volumes of a study to the grid of one of them.

    Linear interpolation in scanner coordinates: the true directions of oblique scans
    are honoured, nothing is registered. Outside its field of view a volume takes its
    minimum.

    Parameters
    ----------
    study : Study
    reference : str
        The modality whose grid all volumes get.
    modalities : iterable of str, optional
        The volumes to keep, besides the reference; all by default.

    Returns
    -------
    Study
        Volumes that were on the grid already are the same objects as before. A note is
        added for each one that was resampled.

    Raises
    ------
    VolumeError
        If a modality is not in the study, or a field of view shares less than a quarter
        with that of the reference (of the smaller one).
    """
    wanted = study.modalities if modalities is None else tuple(modalities)
    target = study[reference]
    volumes, notes = {}, list(study.notes)
    for name in dict.fromkeys((*wanted, reference)):
        source = study[name]
        if source is target or same_grid(source, target):
            volumes[name] = source
            continue
        shared, covered = overlap(source, target)
        if shared < MINIMAL_OVERLAP:
            raise VolumeError(
                f"{name} and {reference} need the same field of view, but only "
                f"{shared:.0%} of it is shared: choose scans of one session, or "
                "register them first."
            )
        volumes[name] = resample(source, target)
        notes.append(_note(name, reference, covered))
    ordered = {name: volumes[name] for name in study.modalities if name in volumes}
    return Study(ordered, subject=study.subject, notes=tuple(notes))


def resample(
    source: Volume,
    target: Volume,
    transform: sitk.Transform | None = None,
    *,
    is_labels: bool = False,
) -> Volume:
    """Give `source` on the grid of `target`, linearly interpolated.

    `transform` leads from a point of the target to that of the source, in (L, P, S).
    Labels take their nearest neighbour, and 0 outside of their field of view.
    """
    finite = source.data[np.isfinite(source.data)]
    outside = float(finite.min()) if finite.size and not is_labels else 0.0
    frame = lps_image(target.with_data(target.data[:1, :1, :1, :1]))
    data = np.empty((source.data.shape[0], *target.shape), np.float32)
    for channel, array in zip(data, source.data, strict=True):
        moved = sitk.Resample(
            lps_image(source.with_data(array[np.newaxis])),
            target.shape[::-1],
            transform or sitk.Transform(),
            sitk.sitkNearestNeighbor if is_labels else sitk.sitkLinear,
            frame.GetOrigin(),
            frame.GetSpacing(),
            frame.GetDirection(),
            outside,
            sitk.sitkFloat32,
        )
        channel[...] = sitk.GetArrayViewFromImage(moved)
    return source.with_data(
        data,
        spacing=target.spacing,
        origin=target.origin,
        direction=target.direction,
        orientation=target.orientation,
        metadata=_without_file_dtype(source),
    )


def _without_file_dtype(source: Volume) -> dict[str, Any]:
    """Metadata of an interpolated volume: its values are not those of the file."""
    return {key: value for key, value in source.metadata.items() if key != "dtype"}


def overlap(a: Volume, b: Volume) -> tuple[float, float]:
    """Share of the smaller field of view that lies in the other, and of `b` in `a`."""
    sizes = [float(np.prod(np.multiply(v.shape, v.spacing))) for v in (a, b)]
    small, large = (a, b) if sizes[0] <= sizes[1] else (b, a)
    index = (_sample_points(small) - large.origin) @ large.direction / large.spacing
    inside = np.all((index >= -0.5) & (index <= np.array(large.shape) - 0.5), axis=1)
    shared = float(inside.mean())
    return shared, shared * min(sizes) / sizes[1]


def _sample_points(volume: Volume) -> NDArray[np.float64]:
    """World positions (n, 3) [mm], spread evenly over the field of view of a volume."""
    axes = [
        (np.arange(_SAMPLES_PER_AXIS) + 0.5) / _SAMPLES_PER_AXIS * n - 0.5
        for n in volume.shape
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points: NDArray[np.float64] = (grid * volume.spacing) @ volume.direction.T
    return points + volume.origin


def _note(name: str, reference: str, covered: float) -> str:
    note = f"{name} resampled to the grid of {reference}"
    if covered < 0.9:
        note += f", of which it covers {covered:.0%}"
    return note + "."
