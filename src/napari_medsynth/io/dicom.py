"""DICOM files and folders -> volumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import assemble
from .dicom_pixels import read_pixels
from .dicom_scan import (
    Frame,
    frames_of,
    is_dicom,
    read_dataset,
    read_header,
    refusing,
    scan,
    series_of,
    series_uid,
)
from .dicom_stack import geometry, on_grid, split
from .modality import guess_modality, has_mr_attributes
from .source import Source

if TYPE_CHECKING:
    from .volume import Volume

_GUESS_TAGS = (
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "SequenceName",
    "PulseSequenceName",
    "ContrastBolusAgent",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "ScanningSequence",
    "MagneticFieldStrength",
)
_MR_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
)
# No CT image of a body lacks air [HU].
_AIR = -100.0


def read_dicom(path: Path) -> list[Volume]:
    """Read the whole series that a DICOM file belongs to; its slices lie beside it.

    Raises
    ------
    VolumeError
        If the file is no image, or its series cannot be one volume.
    """
    header = read_header(path)
    with refusing(path):
        uid = series_of(header)
        own = list(frames_of(path, header))
    if not uid or len(own) > 1:
        return _read_series(own, path)
    siblings = [p for p in path.parent.iterdir() if p == path or _is_of(p, uid)]
    series, problems = scan(siblings)
    frames = series.get(uid) or own
    frames.sort(key=lambda f: f.path != path)  # of two copies, the chosen one stays
    return _with_notes(_read_series(frames, path), problems)


def read_dicom_folder(
    folder: Path, paths: Sequence[Path] | None = None
) -> list[Volume]:
    """Read every DICOM series in a folder and the folders in it.

    Parameters
    ----------
    folder : Path
        Its name is that of a series without a description.
    paths : sequence of Path, optional
        Files to look at; all in the folder by default.

    Raises
    ------
    VolumeError
        If there is no DICOM image. A broken series among good ones is a warning.
    """
    files = (p for p in folder.rglob("*") if p.is_file()) if paths is None else paths
    series, problems = scan(files)
    volumes: list[Volume] = []
    for frames in series.values():
        try:
            volumes += _read_series(frames, folder)
        except VolumeError as err:
            problems.append(str(err))
    if not volumes:
        reason = problems[0] if problems else f"{folder.name} holds no DICOM image."
        raise VolumeError(reason)
    return _with_notes(volumes, problems)


@dataclass(frozen=True)
class Series:
    """A DICOM series that was found, but not read.

    Parameters
    ----------
    path : Path
        Its first file; `read_dicom` reads them all.
    modality, study : str
        "T1", ...; StudyInstanceUID.
    is_synthetic : bool
        Whether its header says that a model made it.
    """

    path: Path
    modality: str
    study: str
    is_synthetic: bool


def list_series(paths: Iterable[Path]) -> list[Series]:
    """List the series of files by their headers; broken files are passed over."""
    first: dict[tuple[Path, str], Path] = {}
    for path in sorted(paths):
        if path.name.upper() == "DICOMDIR":
            continue
        try:
            header = read_dataset(path, tags=["SeriesInstanceUID"])
            with refusing(path):
                first.setdefault((path.parent, series_of(header)), path)
        except VolumeError:
            continue
    found = []
    for path in first.values():
        try:
            header = read_header(path)
            with refusing(path):
                frame = next(frames_of(path, header))
                study = str(header.get("StudyInstanceUID") or "")
                source = _source(frame, path)
        except VolumeError:
            continue
        is_synthetic = bool(source.extra.get("synthetic"))
        found.append(Series(path, source.modality, study, is_synthetic))
    return found


def _is_of(path: Path, uid: str) -> bool:
    """Tell whether a file is of the series `uid`, reading as little as possible."""
    if not path.is_file() or not is_dicom(path):
        return False
    try:
        return series_uid(path) == uid
    except VolumeError:
        return False


def _read_series(frames: list[Frame], path: Path) -> list[Volume]:
    with refusing(path):
        return _volumes_of(frames, path)


def _volumes_of(frames: list[Frame], path: Path) -> list[Volume]:
    source = _source(frames[0], path)
    stacks = split(frames, source)
    volumes = []
    for i, stack in enumerate(stacks, start=1):
        name = f"{source.name} [{i}]" if len(stacks) > 1 else source.name
        volumes.append(_read_stack(stack, source.renamed(name, source.modality)))
    return volumes


def _read_stack(frames: list[Frame], source: Source) -> Volume:
    frames, affine, at = geometry(frames, source)
    planes = read_pixels(frames, source)
    dtype = source.dtype
    source.dtype = dtype or planes.dtype.name
    _judge(frames[0], planes, source)
    return assemble(on_grid(planes, at).transpose(2, 1, 0), affine, source)


def _source(frame: Frame, path: Path) -> Source:
    header = frame.header
    described = [header.get(tag) for tag in ("SeriesDescription", "ProtocolName")]
    name = next((str(d).strip() for d in described if d and str(d) != "None"), "")
    source = Source(path, name or path.name)
    tags = _tags(frame)
    fallback = f"{path.stem} {path.parent.name}" if path.is_file() else path.name
    source.modality = guess_modality(fallback, tags)
    if str(header.get("SyntheticData", "")) == "YES":
        source.extra = {"synthetic": True, "provenance": {"dicom": name}}
    return source


def _tags(frame: Frame) -> dict[str, Any]:
    """What tells the modality; enhanced MR says it in its own words."""
    header = frame.header
    tags: dict[str, Any] = {key: header.get(key) for key in _GUESS_TAGS}
    if not tags["EchoTime"] and frame.contrast[0] != "None":
        tags["EchoTime"] = frame.contrast[0]
    weighting = header.get("AcquisitionContrast") or ""
    kind = header.get("ImageType")
    if not weighting and kind is not None and not isinstance(kind, str):
        weighting = next((k for k in kind if k in ("T1", "T2", "FLAIR")), "")
    tags["PulseSequenceName"] = f"{tags['PulseSequenceName'] or ''} {weighting}".strip()
    return tags


def _judge(frame: Frame, planes: np.ndarray, source: Source) -> None:
    """Say so where the header contradicts itself or the picture."""
    header = frame.header
    tagged = str(header.get("Modality", ""))
    tags = {key: header.get(key) for key in _GUESS_TAGS}
    is_mr = header.get("SOPClassUID") in _MR_CLASSES or has_mr_attributes(tags)
    if tagged == "CT" and is_mr:
        source.warn(
            f"{source.title} is tagged CT but has the attributes of an MR image."
        )
    elif tagged == "CT" and frame.intercept >= 0 and not np.any(planes < _AIR):
        source.modality = guess_modality(source.path.name)
        source.warn(
            f"{source.title} is tagged CT but has no voxel below {_AIR:g}: these are"
            " not"
            " Hounsfield units; check its modality."
        )
    if "MOSAIC" in str(header.get("ImageType", "")):
        source.warn(
            f"{source.title} is a Siemens mosaic: all its slices lie side by side in"
            " one"
            " picture; convert it (dcm2niix) before use."
        )


def _with_notes(volumes: list[Volume], problems: list[str]) -> list[Volume]:
    """Tell, with the first volume, what was left out."""
    if problems:
        notes = volumes[0].metadata["warnings"]
        notes += [f"Left out: {problem}" for problem in problems]
    return volumes
