"""NRRD, NHDR, MHA and MHD files -> volumes, read by SimpleITK."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import assemble_stack, grey, quiet_itk
from .checks import check_size
from .source import Source, source_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .volume import Volume

_HEADER_BYTES = 65536
_ITK_SPACES = ("left", "right", "ras", "las", "lps")
_FILE_KEYS = ("data file", "datafile", "elementdatafile")
_IN_FILE = ("local", "list")
# Header entries by which a synthetic image is known (`sidecar.header_texts`).
_MARKS = ("ITK_FileNotes", "SyntheticData", "ModelId")
_META_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}


def read_itk(path: Path) -> list[Volume]:
    """Read a .nrrd, .nhdr, .mha or .mhd file; a vector file gives several volumes.

    Raises
    ------
    VolumeError
        If the file or its data file is missing, cut off or not what its name says.
    """
    import SimpleITK as sitk

    header, n_header = _header(path)
    _check_data_file(path, header)
    _check_meta_size(path, header, n_header)
    try:
        with quiet_itk():
            reader = sitk.ImageFileReader()
            reader.SetFileName(str(path))
            reader.ReadImageInformation()
            item = 8 * reader.GetNumberOfComponents()
            check_size(tuple(reader.GetSize()), item, path.name)
            image = reader.Execute()
    except RuntimeError as err:
        raise VolumeError(
            f"{path.name} is cut off, damaged or of an unknown kind; copy it again."
        ) from err
    texts = {k: image.GetMetaData(k) for k in _MARKS if image.HasMetaDataKey(k)}
    source = source_of(path, texts)
    source.dtype = _dtype(image)
    _check_space(header, source)
    return assemble_stack(_stack(image, header, source), affine_of(image), source)


def affine_of(image: sitk.Image) -> np.ndarray:
    """Give the (4, 4) affine, index to LPS [mm], of the first three axes."""
    n_dims = image.GetDimension()
    matrix = np.reshape(image.GetDirection(), (n_dims, n_dims)) * image.GetSpacing()
    n_used = min(n_dims, 3)
    affine = np.eye(4)
    affine[:n_used, :n_used] = matrix[:n_used, :n_used]
    affine[:n_used, 3] = image.GetOrigin()[:n_used]
    return affine


def _stack(image: sitk.Image, header: dict[str, str], source: Source) -> np.ndarray:
    """Voxels as (X, Y, Z, N)."""
    import SimpleITK as sitk

    array = sitk.GetArrayFromImage(image)
    n_channels, n_dims = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    if n_dims > 3 and n_channels > 1:
        raise VolumeError(
            f"{source.title} holds vectors in {n_dims} dimensions; save one component"
            " as"
            " a 3D file."
        )
    if np.iscomplexobj(array):
        source.warn(f"{source.title} holds complex voxels; their magnitude was taken.")
        array = np.abs(array)
    if n_channels > 1 and "rgb" in header.get("kinds", "").lower():
        array, n_channels = grey(array, source), 1
    if n_channels == 1:
        array = array[..., np.newaxis] if n_dims < 4 else np.moveaxis(array, 0, -1)
    if array.ndim == 3:
        array = array[np.newaxis]
    return array.transpose(2, 1, 0, 3)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Text fields at the start of the file, keys in small letters, and their bytes."""
    if path.stat().st_size == 0:
        raise VolumeError(f"{path.name} is empty (0 bytes); copy or download it again.")
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    is_nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    if is_nrrd and not start.startswith(b"NRRD"):
        raise VolumeError(
            f"{path.name} is not an NRRD file: it must start with 'NRRD'."
        )
    text = re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0] if is_nrrd else start
    fields, n_bytes = {}, 0
    for line in text.decode("latin-1").splitlines(keepends=True):
        n_bytes += len(line)
        match = re.match(r"([A-Za-z ]+?)\s*(?::|=)(?!=)\s*(.*)", line.strip())
        if match:
            fields[match[1].lower()] = match[2].strip()
        if not is_nrrd and line.lower().startswith("elementdatafile"):
            break
    return fields, n_bytes


def _check_data_file(path: Path, header: dict[str, str]) -> None:
    """A detached header needs its data file, unbroken if it is gzip."""
    value = next((header[key] for key in _FILE_KEYS if key in header), "")
    if not value or value.split()[0].lower() in _IN_FILE or "%" in value:
        return
    data = path.parent / value
    if not data.is_file():
        raise VolumeError(f"{path.name} needs its voxels in {value} beside it.")
    if value.lower().endswith(".gz"):
        try:
            with gzip.open(data) as file:
                while file.read(2**20):
                    pass
        except (EOFError, OSError) as err:
            raise VolumeError(f"{value} is damaged ({err}); copy it again.") from err


def _check_meta_size(path: Path, header: dict[str, str], n_header: int) -> None:
    """Count the bytes of a MetaImage: ITK complains on the terminal about them."""
    bytes_each = _META_BYTES.get(header.get("elementtype", "").upper())
    value = header.get("elementdatafile", "")
    numbers = re.fullmatch(r"[\d ]+", header.get("dimsize", ""))
    if bytes_each is None or not numbers or not value or value.lower() == "list":
        return
    is_local = value.lower() == "local"
    data = path if is_local else path.parent / value
    shape = (
        *map(int, numbers[0].split()),
        _whole(header, "elementnumberofchannels", 1),
    )
    check_size(shape, bytes_each, path.name)
    needed = math.prod(shape) * bytes_each
    if header.get("compresseddata", "").lower() == "true":
        needed = _whole(header, "compresseddatasize", 0)
    found = data.stat().st_size - (n_header if is_local else 0)
    if found < needed:
        raise VolumeError(
            f"{path.name} is cut off: its header promises {needed} bytes of voxels, it"
            " has"
            f" {found}; copy it again."
        )


def _whole(header: dict[str, str], key: str, default: int) -> int:
    value = header.get(key, "")
    return int(value) if value.isdecimal() else default


def _check_space(header: dict[str, str], source: Source) -> None:
    is_nrrd = source.path.suffix.lower() in (".nrrd", ".nhdr")
    if not is_nrrd or header.get("dimension") == "2":
        return
    space = header.get("space", "")
    if not space:
        source.warn(
            f"{source.title} has no space field: its orientation is unknown, left,"
            " posterior, superior was taken."
        )
    elif not space.lower().startswith(_ITK_SPACES):
        source.warn(f"{source.title} is in the space {space}, which was taken as LPS.")
    units = set(re.findall(r'"([^"]*)"', header.get("space units", ""))) - {"mm", ""}
    if units:
        source.warn(f"{source.title} is in {', '.join(units)}; it was taken as mm.")


def _dtype(image: sitk.Image) -> str:
    import SimpleITK as sitk

    return str(sitk.GetArrayViewFromImage(image).dtype)
