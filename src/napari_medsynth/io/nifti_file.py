"""The header and the raw voxels of one NIfTI or Analyze file, checked byte for byte.

SimpleITK opens a truncated gzip stream, a header that promises more voxels than there
are and a wrong magic without a word. Here bytes are counted before they are believed.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from napari_medsynth.errors import VolumeError

from .checks import check_size

if TYPE_CHECKING:
    from nibabel.analyze import AnalyzeHeader

_GZIP = b"\x1f\x8b"
_LONGEST_HEADER = 540
_CHUNK = 2**20
_LARGEST_OFFSET = 2**28


@dataclass
class NiftiFile:
    """What is in the file: `kind` is "nifti1", "nifti2" or "analyze"."""

    header: AnalyzeHeader
    raw: np.ndarray
    kind: str
    warnings: list[str] = field(default_factory=list)


def load(path: Path) -> NiftiFile:
    """Read a .nii, .nii.gz, .hdr or .img file; `raw` has the shape of the header.

    Raises
    ------
    VolumeError
        If the file is not NIfTI or Analyze, cut off, corrupt, or lies about its size.
    """
    path, name = _header_path(path), path.name
    warnings: list[str] = []
    with _open(path, warnings) as stream:
        block = _read(stream, _LONGEST_HEADER, name)
        header, kind, is_pair = _parse(block, path)
        shape, dtype = _layout(header, name)
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        offset = _offset(header, name)
        if not is_pair:
            offset = max(offset, int(header["sizeof_hdr"]))
            raw = block[offset : offset + n_bytes]
            _skip(stream, offset - len(block), name)
            raw += _read(stream, n_bytes - len(raw), name)
            _check_rest(stream, len(raw), n_bytes, name, warnings)
    if is_pair:
        raw = _read_pair(_image_path(path), offset, n_bytes, warnings)
    array = np.frombuffer(raw, dtype).reshape(shape, order="F")
    return NiftiFile(header, array, kind, warnings)


def _header_path(path: Path) -> Path:
    """The .hdr file of an .img file, and any other path as it is."""
    name = path.name.lower()
    if not name.endswith((".img", ".img.gz")):
        return path
    stem = path.name[: name.rindex(".img")]
    for candidate in sorted(path.parent.glob(f"{_escaped(stem)}.*")):
        if candidate.name.lower() in (f"{stem.lower()}.hdr", f"{stem.lower()}.hdr.gz"):
            return candidate
    raise VolumeError(f"{path.name} needs its header {stem}.hdr beside it.")


def _image_path(path: Path) -> Path:
    stem = path.name[: path.name.lower().rindex(".hdr")]
    for candidate in sorted(path.parent.glob(f"{_escaped(stem)}.*")):
        if candidate.name.lower() in (f"{stem.lower()}.img", f"{stem.lower()}.img.gz"):
            return candidate
    raise VolumeError(f"{path.name} needs its voxels in {stem}.img beside it.")


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)


def _open(path: Path, warnings: list[str]) -> IO[bytes]:
    """Open a file, compressed or not, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise VolumeError(f"{path.name} is empty (0 bytes); copy or download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise VolumeError(f"{path.name} is a Git LFS pointer; run 'git lfs pull'.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise VolumeError(
            f"{path.name} is a web page, not an image; download it again."
        )
    is_gzip = start.startswith(_GZIP)
    if is_gzip != path.name.lower().endswith(".gz"):
        content = "compressed" if is_gzip else "not compressed"
        warnings.append(
            f"{path.name} is {content}, unlike its name; it was read as it is."
        )
    return cast(IO[bytes], gzip.open(path) if is_gzip else path.open("rb"))


def _parse(block: bytes, path: Path) -> tuple[AnalyzeHeader, str, bool]:
    """Header, kind, and whether the voxels are in another file."""
    from nibabel import Nifti1Header, Nifti2Header, Spm99AnalyzeHeader

    sizes = {int.from_bytes(block[:4], order): order for order in ("little", "big")}
    is_hdr = ".hdr" in path.name.lower()
    if 540 in sizes and block[4:7] in (b"n+2", b"ni2"):
        endian = "<" if sizes[540] == "little" else ">"
        header = Nifti2Header(block[:540], endian, check=False)
        return header, "nifti2", block[4:7] == b"ni2"
    if 348 not in sizes or len(block) < 348:
        raise VolumeError(f"{path.name} is not a NIfTI file: its header is unknown.")
    endian = "<" if sizes[348] == "little" else ">"
    magic = block[344:348]
    if magic in (b"n+1\0", b"ni1\0"):
        is_pair = magic == b"ni1\0"
        return Nifti1Header(block[:348], endian, check=False), "nifti1", is_pair
    if is_hdr:
        return Spm99AnalyzeHeader(block[:348], endian, check=False), "analyze", True
    raise VolumeError(
        f"{path.name} is not a NIfTI file: its magic must be 'n+1', got {magic!r}."
    )


def _layout(header: Any, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and voxel type that the header promises."""
    from nibabel.spatialimages import HeaderDataError

    n_dims = int(header["dim"][0])
    if not 1 <= n_dims <= 7:
        raise VolumeError(f"{name} claims {n_dims} dimensions; its header is broken.")
    shape = tuple(int(n) for n in header["dim"][1 : n_dims + 1])
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as err:
        raise VolumeError(f"{name} has an unknown voxel type ({err}).") from err
    if dtype.itemsize == 0:
        raise VolumeError(f"{name} has voxels of 1 bit, which are not supported.")
    check_size(shape, dtype.itemsize, name)
    return shape, dtype


def _offset(header: Any, name: str) -> int:
    """Byte at which the voxels start."""
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _LARGEST_OFFSET:
        raise VolumeError(
            f"{name} claims that its voxels start at byte {offset:g}; its header is"
            " broken."
        )
    return int(offset)


def _read_pair(path: Path, offset: int, n_bytes: int, warnings: list[str]) -> bytes:
    with _open(path, warnings) as stream:
        _skip(stream, offset, path.name)
        raw = _read(stream, n_bytes, path.name)
        _check_rest(stream, len(raw), n_bytes, path.name, warnings)
    return raw


def _check_rest(
    stream: IO[bytes], n_read: int, n_bytes: int, name: str, warnings: list[str]
) -> None:
    """Compare with the promise, and read to the end: the checksum stands there."""
    if n_read < n_bytes:
        raise VolumeError(
            f"{name} is cut off: its header promises {n_bytes} bytes of voxels, it has"
            f" {n_read}; copy it again."
        )
    n_more = 0
    try:
        while chunk := stream.read(_CHUNK):
            n_more += len(chunk)
    except gzip.BadGzipFile as err:
        if not str(err).startswith("Not a gzipped file"):
            raise _corrupt(name, err) from err
        n_more += 1
    except (EOFError, zlib.error) as err:
        raise _corrupt(name, err) from err
    if n_more:
        warnings.append(f"{name} has more bytes than its voxels; they were left out.")


def _skip(stream: IO[bytes], n_bytes: int, name: str) -> None:
    if n_bytes > 0:
        _read(stream, n_bytes, name)


def _read(stream: IO[bytes], n_bytes: int, name: str) -> bytes:
    try:
        return stream.read(n_bytes) if n_bytes > 0 else b""
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise _corrupt(name, err) from err


def _corrupt(name: str, err: Exception) -> VolumeError:
    what = "cut off" if isinstance(err, EOFError) else "corrupt (checksum or stream)"
    return VolumeError(f"{name} is {what}: its gzip data are damaged; copy it again.")
