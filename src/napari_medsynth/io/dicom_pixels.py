"""Pixels of DICOM frames in real-world values.

pydicom reads stored and run-length coded pixels; everything else (JPEG, JPEG-LS,
JPEG 2000, HTJ2K) is decoded by SimpleITK, whose GDCM needs no further plug-ins.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import grey, quiet_itk
from .checks import check_size
from .dicom_scan import read_dataset
from .source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

    from .dicom_scan import Frame

_RLE = "1.2.840.10008.1.2.5"


def read_pixels(frames: list[Frame], source: Source) -> np.ndarray:
    """Read the pixels of `frames`, in their order.

    Returns
    -------
    ndarray
        (N, rows, columns), rescaled frame by frame; MONOCHROME1 is inverted.

    Raises
    ------
    VolumeError
        If pixels are missing, cut off or coded in a way that nobody here decodes.
    """
    check_size((len(frames), *frames[0].size), 2, source.title)
    planes = np.empty(len(frames), dtype=object)
    order = sorted(range(len(frames)), key=lambda i: str(frames[i].path))
    for path, group in groupby(order, key=lambda i: frames[i].path):
        positions = list(group)
        decoded = _decode(path, [frames[i] for i in positions], source)
        for i, plane in zip(positions, decoded, strict=True):
            planes[i] = plane
    stack = np.stack(list(planes))
    if frames[0].header.get("PhotometricInterpretation") == "MONOCHROME1":
        source.warn(
            f"{source.title} is stored inverted (MONOCHROME1); it was turned over, so"
            " that"
            " bright is bright."
        )
        low, high = stack.min(), stack.max()
        stack = (high - stack.astype(np.float64)) + low
    return stack


def _decode(path: Path, frames: list[Frame], source: Source) -> list[np.ndarray]:
    """Real-world planes of the frames of one file."""
    dataset = read_dataset(path)
    is_rescaled = any((f.slope, f.intercept) != (1.0, 0.0) for f in frames)
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    # GDCM looks for the rescale of a multi-frame file in one place only.
    is_ours = n_frames > 1 and is_rescaled
    if _is_compressed(dataset) and not is_ours:
        planes = _decode_by_itk(path, dataset, source)
        if planes is not None:
            return [planes[f.index] for f in frames]
    raw = _stored(path, dataset, source).reshape(n_frames, *frames[0].size)
    source.dtype = source.dtype or raw.dtype.name
    return [_rescaled(raw[f.index], f, dataset) for f in frames]


def _is_compressed(dataset: Dataset) -> bool:
    """Coded in a way for which pydicom alone may lack a plug-in."""
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    if syntax is None or syntax == _RLE or not syntax.is_transfer_syntax:
        return False
    return bool(syntax.is_compressed)


def _stored(path: Path, dataset: Dataset, source: Source) -> np.ndarray:
    """Pixels as stored, colour already made grey; shape ends in (rows, columns)."""
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.uid import ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    try:
        pixels = dataset.pixel_array
        if photometric == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as err:
        raise _damaged(path, err) from err
    is_colour = int(dataset.get("SamplesPerPixel") or 1) > 1
    if photometric.startswith("YBR") and is_colour:
        return pixels[..., 0]
    if is_colour or photometric == "PALETTE COLOR":
        return grey(pixels, source)
    return pixels


def _decode_by_itk(path: Path, dataset: Dataset, source: Source) -> np.ndarray | None:
    """Decode and rescale (N, rows, columns) by GDCM, None if it cannot."""
    import SimpleITK as sitk

    try:
        with quiet_itk():
            image = sitk.ReadImage(str(path))
    except RuntimeError:
        return None
    pixels = sitk.GetArrayFromImage(image)
    source.dtype = source.dtype or pixels.dtype.name
    if image.GetNumberOfComponentsPerPixel() > 1:
        pixels = grey(pixels, source)
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    return _looked_up(pixels, dataset) if "ModalityLUTSequence" in dataset else pixels


def _rescaled(plane: np.ndarray, frame: Frame, dataset: Dataset) -> np.ndarray:
    if "ModalityLUTSequence" in dataset:
        return _looked_up(plane, dataset)
    if (frame.slope, frame.intercept) == (1.0, 0.0) or frame.slope == 0:
        return plane
    if float(frame.slope).is_integer() and float(frame.intercept).is_integer():
        return plane.astype(np.int32) * int(frame.slope) + int(frame.intercept)
    result: np.ndarray = plane.astype(np.float64) * frame.slope + frame.intercept
    return result


def _looked_up(plane: np.ndarray, dataset: Dataset) -> np.ndarray:
    from pydicom.pixels.processing import apply_modality_lut

    result: np.ndarray = apply_modality_lut(plane, dataset)
    return result


def _damaged(path: Path, err: Exception) -> VolumeError:
    reason = " ".join(str(err).split())
    if "less than expected" in reason:
        return VolumeError(
            f"{path.name} is cut off: it has fewer pixels than its header promises;"
            " copy"
            " it again."
        )
    return VolumeError(
        f"{path.name} has pixels that cannot be decoded ({reason[:90]})."
    )
