"""Find DICOM files and read their headers: one `Frame` per slice, whatever the storage.

A single-frame file gives one frame, an enhanced multi-frame file as many as it holds,
each with its own position, orientation, spacing and rescale.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from pydicom import Dataset

_NOT_IMAGES = {
    "SEG": "a segmentation (DICOM SEG)",
    "SR": "a structured report",
    "RTSTRUCT": "a set of contours (RT structure set)",
    "RTPLAN": "a radiotherapy plan",
    "PR": "a presentation state",
    "KO": "a key object selection",
    "REG": "a registration",
}
# Little-endian group 0002 or 0008 at the very start: a file without its preamble.
_BARE_STARTS = (b"\x08\x00", b"\x02\x00")


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: where its pixels are and what its header says.

    Parameters
    ----------
    path, index : Path, int
        File, and frame within it.
    header : Dataset
        Of the file, without pixels.
    position : ndarray or None
        (L, P, S) of the first pixel [mm].
    orientation : ndarray or None
        (2, 3), directions in which columns and rows are counted.
    spacing : tuple or None
        (between rows, between columns) [mm].
    slope, intercept : float
        Rescale of this frame.
    contrast : tuple
        What may tell two images of one place apart: echo time, image type, ...
    """

    path: Path
    index: int
    header: Dataset
    position: np.ndarray | None
    orientation: np.ndarray | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    contrast: tuple[str, ...]

    @property
    def number(self) -> tuple[float, int, str]:
        """Order where no position tells it."""
        return (
            to_number(self.header.get("InstanceNumber")),
            self.index,
            self.path.name,
        )

    @property
    def size(self) -> tuple[int, int]:
        return int(self.header.Rows), int(self.header.Columns)


def is_dicom(path: Path) -> bool:
    """Tell, from 132 bytes, whether a file is DICOM, with or without its preamble."""
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError:
        return False
    if start[128:132] == b"DICM":
        return True
    has_vr = start[4:6].isalpha() and start[4:6].isupper()
    is_implicit = start[2:4] in (b"\x00\x00", b"\x05\x00", b"\x08\x00", b"\x16\x00")
    is_bare = start[:2] in _BARE_STARTS and (has_vr or is_implicit)
    return is_bare and len(start) == 132


def read_dataset(path: Path, *, tags: list[str] | None = None) -> Dataset:
    """Read a whole file, or with `tags` only these attributes of its header.

    Raises
    ------
    VolumeError
        If pydicom cannot make sense of it.
    """
    from pydicom import dcmread

    only_header = tags is not None
    with refusing(path):
        return dcmread(
            path,
            force=True,
            stop_before_pixels=only_header,
            specific_tags=tags or None,
        )


def read_header(path: Path) -> Dataset:
    """Read a header without pixels.

    Raises
    ------
    VolumeError
        If the file is no DICOM, or holds no image.
    """
    header = read_dataset(path, tags=[])
    with refusing(path):
        modality = str(header.get("Modality", ""))
        has_size = bool(header.get("Rows")) and bool(header.get("Columns"))
    if modality in _NOT_IMAGES:
        raise VolumeError(f"{path.name} is {_NOT_IMAGES[modality]}, not an image.")
    if not has_size:
        raise VolumeError(f"{path.name} is a DICOM file without an image.")
    return header


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what pydicom raises on broken bytes, early or late, into one sentence.

    pydicom parses an element when it is first looked at, so that any access may fail.
    Its remarks on the wording of headers are kept off the terminal.
    """
    from pydicom.errors import BytesLengthException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        OverflowError,
        NotImplementedError,
        struct.error,
        BytesLengthException,
    ) as err:
        reason = " ".join(str(err).split())[:90]
        raise VolumeError(f"{path.name} is a broken DICOM file ({reason}).") from err


def series_of(header: Dataset) -> str:
    """Identify the series of a header, "" if it does not say."""
    return str(header.get("SeriesInstanceUID", ""))


def series_uid(path: Path) -> str:
    """Read which series a file belongs to, and nothing else."""
    header = read_dataset(path, tags=["SeriesInstanceUID"])
    with refusing(path):
        return series_of(header)


def scan(paths: Iterable[Path]) -> tuple[dict[str, list[Frame]], list[str]]:
    """Read the headers of `paths`: frames by series, and sentences about bad files.

    Files that are not DICOM are passed over without a word.
    """
    series: dict[str, list[Frame]] = {}
    problems: list[str] = []
    for path in sorted(paths):
        if path.name.upper() == "DICOMDIR" or not is_dicom(path):
            continue
        try:
            header = read_header(path)
            with refusing(path):
                series.setdefault(series_of(header), []).extend(frames_of(path, header))
        except VolumeError as err:
            problems.append(str(err))
    return series, problems


def frames_of(path: Path, header: Dataset) -> Iterator[Frame]:
    """Give the frames of one file, in file order."""
    count = int(header.get("NumberOfFrames") or 1)
    if count > path.stat().st_size:
        raise VolumeError(f"{path.name} claims {count} frames, more than it has bytes.")
    shared = _first(header, "SharedFunctionalGroupsSequence")
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    for index in range(count):
        own = per_frame[index] if index < len(per_frame) else None
        yield _frame(path, index, header, [g for g in (own, shared) if g is not None])


def _frame(path: Path, index: int, header: Dataset, groups: list[Any]) -> Frame:
    def look(sequence: str, keyword: str) -> Any:
        for group in groups:
            item = _first(group, sequence)
            if item is not None and item.get(keyword) is not None:
                return item.get(keyword)
        is_shared_by_all = keyword != "ImagePositionPatient" or index == 0
        return header.get(keyword) if is_shared_by_all else None

    orientation = _numbers(
        look("PlaneOrientationSequence", "ImageOrientationPatient"), 6
    )
    spacing = _numbers(look("PixelMeasuresSequence", "PixelSpacing"), 2)
    if spacing is None:
        spacing = _numbers(header.get("ImagerPixelSpacing"), 2)
    slope = look("PixelValueTransformationSequence", "RescaleSlope")
    intercept = look("PixelValueTransformationSequence", "RescaleIntercept")
    contrast = (
        look("MREchoSequence", "EffectiveEchoTime") or header.get("EchoTime"),
        look("MRImageFrameTypeSequence", "FrameType") or header.get("ImageType"),
        look("MRMetaboliteMapSequence", "MetaboliteMapDescription"),
        look("MRDiffusionSequence", "DiffusionBValue"),
        look("FrameContentSequence", "StackID"),
        look("FrameContentSequence", "TemporalPositionIndex")
        or header.get("TemporalPositionIdentifier"),
        header.get("AcquisitionNumber"),
    )
    return Frame(
        path=path,
        index=index,
        header=header,
        position=_numbers(look("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_directions(orientation),
        spacing=_positive_pair(spacing),
        slope=1.0 if slope is None else to_number(slope),
        intercept=0.0 if intercept is None else to_number(intercept),
        contrast=tuple(str(value) for value in contrast),
    )


def _first(group: Any, keyword: str) -> Any:
    sequence = group.get(keyword)
    return sequence[0] if sequence else None


def _numbers(value: Any, count: int) -> np.ndarray | None:
    if value is None or isinstance(value, str | int | float) or len(value) != count:
        return None
    numbers = np.array([to_number(v) for v in value])
    return numbers if np.isfinite(numbers).all() else None


def _directions(values: np.ndarray | None) -> np.ndarray | None:
    """Unit row and column directions, None where the header gives no plane."""
    if values is None:
        return None
    pair = values.reshape(2, 3)
    lengths = np.linalg.norm(pair, axis=1, keepdims=True)
    if lengths.min() < 0.5 or abs(np.dot(*(pair / lengths))) > 0.5:
        return None
    return pair / lengths


def _positive_pair(values: np.ndarray | None) -> tuple[float, float] | None:
    if values is None or values.min() <= 0:
        return None
    return float(values[0]), float(values[1])


def to_number(value: Any) -> float:
    """Give a header value as a finite number, 0 if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0
