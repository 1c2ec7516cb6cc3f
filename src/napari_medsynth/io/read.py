"""Open anything: a file, a DICOM folder, a BIDS subject -> volumes, study."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth.errors import VolumeError

from .dicom import read_dicom, read_dicom_folder
from .dicom_scan import is_dicom
from .geometry import same_grid
from .itk import read_itk
from .mgh import read_mgh
from .nifti import read_nifti
from .raster import read_raster
from .source import stem_of
from .volume import Study

if TYPE_CHECKING:
    from .volume import Volume

    Reader = Callable[[Path], list[Volume]]

READERS: dict[str, Reader] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".hdr": read_nifti,
    ".hdr.gz": read_nifti,
    ".img": read_nifti,
    ".img.gz": read_nifti,
    ".nrrd": read_itk,
    ".nhdr": read_itk,
    ".mha": read_itk,
    ".mhd": read_itk,
    ".mgz": read_mgh,
    ".mgh": read_mgh,
    ".png": read_raster,
    ".jpg": read_raster,
    ".jpeg": read_raster,
    ".tif": read_raster,
    ".tiff": read_raster,
    ".bmp": read_raster,
    ".dcm": read_dicom,
    ".ima": read_dicom,
}
# Kinds that a folder is searched for; pictures in a folder are mostly screenshots.
_VOLUME_READERS = (read_nifti, read_itk, read_mgh)
NO_SCAN = re.compile(
    r"(?i)(?<![a-z])(mask|seg|dseg|probseg|labels?\d*|lesion)(?![a-z])"
)
_SUBJECT = re.compile(r"sub-([A-Za-z0-9]+)")


def read_volumes(path: Path | str) -> list[Volume]:
    """Read every volume of a file or folder.

    Parameters
    ----------
    path : Path or str
        NIfTI, NRRD, MetaImage, MGZ, PNG, TIFF, JPEG or DICOM file; any file of a DICOM
        series stands for the series. A folder gives all its series and volumes.

    Returns
    -------
    list of Volume
        At least one. What a user should know is in ``metadata["warnings"]``.

    Raises
    ------
    VolumeError
        If nothing can be read; one sentence that names the file.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise VolumeError(f"{path} does not exist.")
    reader = reader_of(path)
    if reader is None:
        kinds = ", ".join(sorted(READERS))
        raise VolumeError(f"{path.name} is none of {kinds}, and no DICOM file.")
    try:
        return reader(path)
    except PermissionError as err:
        raise VolumeError(f"{path.name} may not be read (permission denied).") from err


def read_volume(path: Path | str) -> Volume:
    """Read the one volume of a file or folder.

    Raises
    ------
    VolumeError
        If there are several, or none.
    """
    volumes = read_volumes(path)
    if len(volumes) > 1:
        names = ", ".join(v.name for v in volumes[:6])
        raise VolumeError(
            f"{Path(path).name} holds {len(volumes)} volumes ({names}); choose one of"
            " them."
        )
    return volumes[0]


def read_study(
    paths: Mapping[str, Path | str] | Iterable[Path | str] | Path | str,
) -> Study:
    """Read the volumes of one subject, one per modality; nothing is resampled.

    Parameters
    ----------
    paths : mapping, folder or iterable of paths
        Modality to path; or a DICOM folder, a BIDS subject or a folder of files; or
        files, whose modality is guessed.

    Returns
    -------
    Study
        Its notes say what was left out and which grids differ.

    Raises
    ------
    VolumeError
        If a modality is unknown or comes twice.
    """
    if isinstance(paths, Mapping):
        read = {m: replace(read_volume(p), modality=m) for m, p in paths.items()}
        where = " ".join(map(str, paths.values()))
        return Study(read, subject=_subject(where), notes=_grid_notes(read))
    if isinstance(paths, str | Path):
        folder = Path(paths).expanduser()
        found = read_volumes(folder)
        if folder.is_dir():
            volumes, notes = _by_modality([v for v in found if v.modality], folder.name)
            unknown = [v.name for v in found if not v.modality]
            notes += tuple(
                f"{name} was left out: unknown modality." for name in unknown
            )
            return Study(
                volumes,
                subject=_subject(str(folder)),
                notes=notes + _grid_notes(volumes),
            )
        paths = [folder]
    listed = [Path(p) for p in paths]
    found = [v for p in listed for v in read_volumes(p)]
    for volume in found:
        if not volume.modality:
            raise VolumeError(
                f"The modality of {volume.name} is unknown; give it, as"
                f" T1={volume.name}."
            )
    volumes, notes = _by_modality(found, "The list")
    subject = _subject(" ".join(map(str, listed)))
    return Study(volumes, subject=subject, notes=notes + _grid_notes(volumes))


def reader_of(path: Path) -> Reader | None:
    """Give the reader of a file by its name, else by its first bytes, else None."""
    suffix = path.name[len(stem_of(path)) :].lower()
    if suffix in READERS:
        return READERS[suffix]
    return read_dicom if path.is_file() and is_dicom(path) else None


def volume_files(folder: Path) -> Iterator[Path]:
    """List the files of a folder and the folders in it that are volumes, not DICOM."""
    for path in sorted(folder.rglob("*")):
        suffix = path.name[len(stem_of(path)) :].lower()
        is_volume = READERS.get(suffix) in _VOLUME_READERS
        is_second_half = suffix in (".img", ".img.gz")
        if is_volume and not is_second_half and path.is_file():
            yield path


def _read_folder(folder: Path) -> list[Volume]:
    """All DICOM series and all volumes; what cannot be read becomes a warning."""
    volumes: list[Volume] = []
    problems: list[str] = []
    files = [p for p in folder.rglob("*") if p.is_file()]
    others = set(volume_files(folder))
    dicom = [p for p in files if p not in others and reader_of(p) is read_dicom]
    if dicom:
        try:
            volumes += read_dicom_folder(folder, dicom)
        except VolumeError as err:
            problems.append(str(err))
    for path in sorted(others):
        if NO_SCAN.search(stem_of(path)):
            problems.append(f"{path.name} was left out: it is named as a mask.")
            continue
        try:
            volumes += read_volumes(path)
        except VolumeError as err:
            problems.append(str(err))
    if not volumes:
        nothing = f"{folder.name} is a folder that holds no DICOM series or volume."
        reason = problems[0] if problems else nothing
        raise VolumeError(reason)
    volumes[0].metadata["warnings"].extend(problems)
    return volumes


def _by_modality(
    volumes: list[Volume], title: str
) -> tuple[dict[str, Volume], tuple[str, ...]]:
    if not volumes:
        raise VolumeError(f"{title} holds no image of a known modality.")
    found: dict[str, Volume] = {}
    for volume in volumes:
        if volume.modality in found:
            raise VolumeError(
                f"{title} has two {volume.modality} images,"
                f" {found[volume.modality].name} and {volume.name}; choose one of them."
            )
        found[volume.modality] = volume
    return found, ()


def _grid_notes(volumes: Mapping[str, Volume]) -> tuple[str, ...]:
    """Say which volumes are not on the grid of the first one."""
    if not volumes:
        return ()
    (reference, first), *others = volumes.items()
    return tuple(
        f"{modality} has another grid than {reference} and must be resampled."
        for modality, volume in others
        if not same_grid(first, volume)
    )


def _subject(text: str) -> str:
    match = _SUBJECT.search(text)
    return match[1] if match else ""
