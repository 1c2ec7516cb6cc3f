"""The data report: what is in each subject, and what is wrong with it, by name."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, read_volume

from .cohort import why_unusable
from .samples import Subject, contrasts_of
from .subject_report import ContrastReport as ContrastReport
from .subject_report import Picture
from .subject_report import SubjectReport as SubjectReport

if TYPE_CHECKING:
    from napari_medsynth.prepare import Misalignment

MAX_SHIFT, MAX_TURN = 2.0, 2.0  # of a pair that counts as aligned [mm], [degree]
_THUMBNAIL = 64  # longest side
_FOREGROUND, _MIN_SHARE = 0.05, 0.02  # of the range; of a slice
MAX_SIMILARITY = 1.9  # of two contrasts
MIN_COVERED = 0.8  # of the first contrast
_FEW_VALUES = 4  # a scan has more grey levels than a mask


def report_subjects(
    subjects: Collection[Subject],
    card: ModelCard,
    *,
    align: str,
    held_out: Collection[str] = (),
    targets: tuple[str, ...] = (),
    pairing: str = "paired",
) -> Generator[SubjectReport, None, tuple[Subject, ...]]:
    """Read each subject once and report on it.

    Parameters
    ----------
    subjects : collection of Subject
    card : ModelCard
        What is to be trained.
    align : {"header", "rigid"}
        How the contrasts will be brought onto one grid.
    held_out : collection of str
        Names of subjects that will not be trained on.
    targets : tuple of str
        Outputs that are learnt; () for all.
    pairing : {"paired", "unpaired"}
        Whether a subject needs sources and targets, or either is enough.

    Yields
    ------
    SubjectReport

    Returns
    -------
    tuple of Subject
        Those that can be used, without the contrasts that cannot.

    Raises
    ------
    VolumeError
        If none can be used; at the end.
    """
    usable, first_problem = [], ""
    for subject in subjects:
        report = _look_at(subject, card, align, targets, pairing)
        if report.role != "unusable":
            files = {c: p for c, p in subject.files.items() if c in report.contrasts}
            usable.append(replace(subject, files=files))
            role = "held out" if subject.name in held_out else "train"
            report = replace(report, role=role)
        elif not first_problem:
            first_problem = f" ({report.name}: {report.problems[0]})"
        yield report
    if not usable:
        raise VolumeError(
            f"None of {len(subjects)} subjects can be used{first_problem}: choose data "
            "with complete, readable scans."
        )
    return tuple(usable)


def thumbnail(subject: Subject, contrast: str) -> Picture:
    """Read a scan and give its middle axial slice, uint8 (h, w), at most 64 pixels.

    Raises
    ------
    VolumeError
        If the scan cannot be read.
    """
    return _thumbnail(read_volume(subject.files[contrast]))


def _look_at(
    subject: Subject,
    card: ModelCard,
    align: str,
    targets: tuple[str, ...],
    pairing: str,
) -> SubjectReport:
    volumes: dict[str, Volume] = {}
    problems = list(subject.notes)
    known = [c for c in contrasts_of(card) if c in subject.files]
    for contrast in known:
        try:
            volume = read_volume(subject.files[contrast])
            volumes[contrast] = _checked(volume, may_be_flat=card.is_restoration)
        except VolumeError as err:
            problems.append(f"{contrast} cannot be used: {err}")
    places, found = _places(volumes, align) if pairing == "paired" else _apart(volumes)
    problems += found
    volumes = {c: v for c, v in volumes.items() if c in places}
    problems += [f"{c}: {text}" for c, v in volumes.items() for text in v.warnings]
    needed = card.outputs if card.is_restoration else contrasts_of(card)
    if pairing == "paired":
        problems += [f"no {c}" for c in needed if c not in subject.files]
    lacking = why_unusable(card, volumes, targets, pairing=pairing)
    if lacking:
        problems.insert(0, f"cannot be used: {lacking}")
    first = next(iter(volumes.values()), None)
    return SubjectReport(
        name=subject.name,
        role="unusable" if lacking else "train",
        contrasts={c: _contrast(v, places[c]) for c, v in volumes.items()},
        n_slices=0 if first is None else _n_slices(first, card.planes[0]),
        spacing=(0.0, 0.0, 0.0) if first is None else first.spacing,
        problems=tuple(problems),
        thumbnails={c: _thumbnail(v) for c, v in volumes.items()},
    )


def _checked(volume: Volume, *, may_be_flat: bool) -> Volume:
    """Refuse what is no scan.

    Raises
    ------
    VolumeError
        If it has channels, is constant, a mask, a single slice or synthetic.
    """
    if volume.data.shape[0] != 1:
        raise VolumeError(f"it has {volume.data.shape[0]} channels, not one image.")
    if volume.is_synthetic:
        raise VolumeError("a model made it: choose real scans.")
    if min(volume.shape) < 2 and not may_be_flat:
        raise VolumeError("it is a single slice: volumes are needed.")
    sample = volume.data.ravel()[:: max(1, volume.data.size // 100_000)]
    n_values = len(np.unique(sample[np.isfinite(sample)]))
    if n_values < 2:
        raise VolumeError("it is empty or constant.")
    if n_values < _FEW_VALUES:
        raise VolumeError(f"it has only {n_values} values, like a mask.")
    return volume


def _places(
    volumes: Mapping[str, Volume], align: str
) -> tuple[dict[str, Misalignment], list[str]]:
    """Say where each contrast lies to the first; leave out what cannot be aligned."""
    from napari_medsynth.prepare import Misalignment, misalignment
    from napari_medsynth.prepare.align import MINIMAL_OVERLAP, overlap

    places: dict[str, Misalignment] = {}
    problems = []
    first = next(iter(volumes), "")
    for contrast, volume in volumes.items():
        if contrast == first:
            places[contrast] = Misalignment(0.0, 0.0, 2.0)
            continue
        shared, covered = overlap(volume, volumes[first])
        if shared < MINIMAL_OVERLAP and align == "header":
            problems.append(
                f"{contrast} and {first} share {shared:.0%} of the field of view: "
                "choose align = rigid"
            )
            continue
        try:
            places[contrast] = misalignment(volumes[first], volume)
        except VolumeError as err:
            problems.append(f"{contrast} cannot be used: {err}")
            continue
        if covered < MIN_COVERED:
            problems.append(f"{contrast} covers {covered:.0%} of {first}")
        problems += _misplaced(contrast, first, places[contrast], align)
    return places, problems


def _apart(
    volumes: Mapping[str, Volume],
) -> tuple[dict[str, Misalignment], list[str]]:
    """Let each contrast lie where it lies: none is compared with another."""
    from napari_medsynth.prepare import Misalignment

    return {contrast: Misalignment(0.0, 0.0, 2.0) for contrast in volumes}, []


def _misplaced(
    contrast: str, first: str, place: Misalignment, align: str
) -> Iterator[str]:
    is_off = place.shift > MAX_SHIFT or place.turn > MAX_TURN
    if is_off and align == "header":
        yield (
            f"{contrast} lies {place.shift:.1f} mm and {place.turn:.1f} degrees off "
            f"{first}: choose align = rigid"
        )
    if place.similarity > MAX_SIMILARITY:
        yield f"{contrast} and {first} are the same image: check the names"


def _contrast(volume: Volume, place: Misalignment) -> ContrastReport:
    values = volume.data[np.isfinite(volume.data)]
    low, high = np.percentile(values, (1.0, 99.5))
    return ContrastReport(
        low=float(low),
        high=float(high),
        shift=place.shift,
        turn=place.turn,
        similarity=place.similarity,
        orientation=volume.orientation,
        spacing=volume.spacing,
        shape=volume.shape,
    )


def _n_slices(volume: Volume, plane: str) -> int:
    """Count the slices that show more than background."""
    axis = ("axial", "coronal", "sagittal").index(plane)
    low, high = np.nanpercentile(volume.data, (1.0, 99.5))
    bright = volume.data[0] > low + _FOREGROUND * (high - low)
    others = tuple(a for a in range(3) if a != axis)
    return int((bright.mean(axis=others) > _MIN_SHARE).sum())


def _thumbnail(volume: Volume) -> Picture:
    """Give the middle axial slice with square pixels, brain-bright."""
    middle = volume.data[0, volume.shape[0] // 2]
    side = max(n * s for n, s in zip(middle.shape, volume.spacing[1:], strict=True))
    rows, columns = (
        np.linspace(0, n - 1, max(1, round(_THUMBNAIL * n * s / side))).round()
        for n, s in zip(middle.shape, volume.spacing[1:], strict=True)
    )
    small = middle[np.ix_(rows.astype(int), columns.astype(int))]
    small = np.nan_to_num(small, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(small, (1.0, 99.5))
    scaled = (small - low) / (high - low if high > low else 1.0)
    return (255 * np.clip(scaled, 0, 1)).astype(np.uint8)
