"""Volume -> NIfTI, NRRD or MetaImage, whole or not at all."""

from __future__ import annotations

import gzip
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

from .geometry import itk_from_volume
from .sidecar import SUFFIXES, header_texts, read_sidecar, sidecar_path, sidecar_text

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .volume import Volume

_NIFTI_HEADER = 352  # bytes
_CHUNK = 1 << 20  # bytes


def write_volume(volume: Volume, path: Path | str) -> list[Path]:
    """Write `volume` in the orientation of the file that it came from.

    The voxels get the file's own type if it is an integer type that holds them exactly,
    else float32. A synthetic volume is marked in the header and in a JSON file beside
    it. Nothing is left behind, or overwritten, when writing fails.

    Parameters
    ----------
    volume : Volume
    path : Path or str
        Ends in .nii, .nii.gz, .nrrd or .mha; missing folders are made.

    Returns
    -------
    list of Path
        The image, and the sidecar of a synthetic one.

    Raises
    ------
    VolumeError
        If the format is unknown or cannot hold the volume, or the disk refuses.
    """
    path = Path(path)
    suffix = _suffix(volume, path)
    texts = {sidecar_path(path): sidecar_text(volume)} if volume.is_synthetic else {}
    stale = not texts and read_sidecar(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_together(_image(volume), path, suffix, texts)
        if stale:
            sidecar_path(path).unlink(missing_ok=True)
    except (OSError, RuntimeError) as err:  # SimpleITK raises RuntimeError
        reason = (str(err).strip().splitlines() or ["unknown reason"])[-1]
        raise VolumeError(
            f"{path} could not be written: {reason}; check the folder and the free "
            "space."
        ) from err
    return [path, *texts]


def _suffix(volume: Volume, path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            break
    else:
        raise VolumeError(
            f"A file name ending in {', '.join(SUFFIXES)} is needed to write a volume, "
            f"got {path.name!r}: choose one of these formats."
        )
    n_channels = volume.data.shape[0]
    if suffix.startswith(".nii") and n_channels > 1:
        raise VolumeError(
            f"A NIfTI file holds one channel, got {n_channels}: choose .nrrd or .mha, "
            "or write the channels one by one."
        )
    return suffix


def _image(volume: Volume) -> sitk.Image:
    """The SimpleITK image to write: orientation, voxel type and marks of the file."""
    import SimpleITK as sitk

    image = itk_from_volume(volume)
    dtype = _lossless_dtype(volume)
    if dtype is not None:
        kind = "U" if dtype.kind == "u" else ""
        vector = "Vector" if volume.data.shape[0] > 1 else ""
        pixel = f"sitk{vector}{kind}Int{8 * dtype.itemsize}"
        image = sitk.Cast(image, getattr(sitk, pixel))
    if volume.is_synthetic:
        for key, text in header_texts(volume).items():
            image.SetMetaData(key, text)
    return image


def _lossless_dtype(volume: Volume) -> np.dtype | None:
    """The integer type of the file if it holds every voxel exactly, else None."""
    try:
        dtype = np.dtype(volume.metadata.get("dtype") or "float32")
    except TypeError:
        return None
    if dtype.kind not in "iu" or volume.is_synthetic or not volume.data.size:
        return None
    low, high = float(volume.data.min()), float(volume.data.max())
    limits = np.iinfo(dtype)
    if not (limits.min <= low and high <= limits.max):  # also False for NaN
        return None
    slices = (part for channel in volume.data for part in channel)
    return dtype if all(np.array_equal(s, np.rint(s)) for s in slices) else None


def _write_together(
    image: sitk.Image, path: Path, suffix: str, texts: dict[Path, str]
) -> None:
    """Write all files under other names, then rename them, the image last."""
    import SimpleITK as sitk

    token = f".{uuid.uuid4().hex[:8]}.tmp"
    drafts = {text: text.with_name(token + text.suffix) for text in texts}
    draft = path.with_name(token + suffix)
    try:
        sitk.WriteImage(image, str(draft), suffix != ".nii")
        _check_complete(image, draft, suffix)
        for target, text in texts.items():
            drafts[target].write_text(text, encoding="utf-8")
        for target, written in {**drafts, path: draft}.items():
            written.replace(target)
    finally:
        for leftover in (*drafts.values(), draft):
            leftover.unlink(missing_ok=True)


def _check_complete(image: sitk.Image, path: Path, suffix: str) -> None:
    """Raise an OSError if a NIfTI is cut: on a full disk SimpleITK does not tell."""
    if not suffix.startswith(".nii"):
        return
    voxel = image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    needed = _NIFTI_HEADER + image.GetNumberOfPixels() * voxel
    written = _unzipped_size(path) if suffix == ".nii.gz" else path.stat().st_size
    if written < needed:
        raise OSError(f"only {written} of {needed} bytes could be written")


def _unzipped_size(path: Path) -> int:
    size = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
    except (EOFError, zlib.error):
        pass  # cut: `size` is what can be read
    return size
