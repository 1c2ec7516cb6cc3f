"""NIfTI-1, NIfTI-2 and Analyze 7.5 files -> volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import assemble_stack, grey
from .nifti_file import NiftiFile, load
from .source import Source, source_of

if TYPE_CHECKING:
    from .volume import Volume

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MM_PER_UNIT = {1: 1000.0, 3: 0.001}
# Coarser voxels than this [mm] after "metres -> mm" mean that the unit is wrong.
_COARSEST = 200.0


def read_nifti(path: Path) -> list[Volume]:
    """Read a .nii, .nii.gz, .hdr or .img file; a 4D file gives several volumes.

    Parameters
    ----------
    path : Path
        File; the other half of a .hdr/.img pair is found beside it.

    Returns
    -------
    list of Volume
        Warnings about geometry, units, scaling and voxels in ``metadata["warnings"]``.

    Raises
    ------
    VolumeError
        If the file is damaged, lies about itself, or holds vectors.

    Notes
    -----
    The sform is used where its code is above 0, else the qform, else pixdim alone
    (method 1 of the NIfTI standard: x to the right, y to anterior, z to superior).
    A sheared sform is honoured by resampling; SimpleITK would take the qform.
    """
    file = load(path)
    source = source_of(path, {"descrip": _description(file)})
    source.warnings += file.warnings
    stack = _to_4d(file, path.name)
    affine = _RAS_TO_LPS @ _affine(file, source)
    return assemble_stack(_real_values(stack, file, source), affine, source)


def _description(file: NiftiFile) -> str:
    return bytes(file.header["descrip"]).rstrip(b"\0").decode("utf-8", "replace")


def _to_4d(file: NiftiFile, name: str) -> np.ndarray:
    shape = file.raw.shape
    if any(n > 1 for n in shape[4:]):
        raise VolumeError(
            f"{name} holds vectors in {len(shape)} dimensions"
            f" ({' x '.join(map(str, shape))}); save one component as a 3D file."
        )
    shape = (*shape, 1, 1, 1)[:4]
    return file.raw.reshape(shape, order="F")


def _real_values(stack: np.ndarray, file: NiftiFile, source: Source) -> np.ndarray:
    """Apply slope and intercept; magnitude of complex, grey of RGB voxels."""
    if stack.dtype.names:
        source.dtype = "rgb"
        channels = [stack[key] for key in stack.dtype.names]
        return grey(np.stack(channels, axis=-1), source)
    source.dtype = stack.dtype.name
    if stack.dtype.kind == "c":
        source.warn(f"{source.title} holds complex voxels; their magnitude was taken.")
        return np.abs(stack)
    slope, intercept = _scaling(file, source)
    if (slope, intercept) == (1.0, 0.0):
        return stack
    return stack.astype(np.float64) * slope + intercept


def _scaling(file: NiftiFile, source: Source) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or NaN means that there is no scaling."""
    header: Any = file.header
    slope = float(header["scl_slope"])
    if not np.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    intercept = float(header["scl_inter"]) if file.kind != "analyze" else 0.0
    if not np.isfinite(intercept):
        source.warn(f"{source.title} has the intercept {intercept}; 0 was taken.")
        intercept = 0.0
    return slope, intercept


def _affine(file: NiftiFile, source: Source) -> np.ndarray:
    """Index to RAS [mm]."""
    zooms = _zooms(file, source)
    name = source.title
    if file.kind == "analyze":
        source.warn(
            f"{name} is Analyze 7.5, which has no orientation: left and right were"
            " taken"
            " as in radiological files (x to the left) and may be swapped."
        )
        return np.diag([-zooms[0], *zooms[1:], 1.0])
    sform, qform = _forms(file, source)
    if sform is not None and qform is not None and _differ(sform, qform, file, zooms):
        source.warn(
            f"{name} has two geometries, sform and qform, that disagree; the sform was"
            " used."
        )
    chosen = sform if sform is not None else qform
    if chosen is None:
        source.warn(
            f"{name} has no orientation (sform and qform codes are 0); its axes were"
            " taken"
            " as right, anterior, superior."
        )
        return np.diag([*zooms, 1.0])
    return _in_mm(chosen, file, source)


def _zooms(file: NiftiFile, source: Source) -> list[float]:
    """Voxel size by pixdim, 1 where it is 0 or not finite."""
    header: Any = file.header
    n_dims = min(int(header["dim"][0]), 3)
    zooms = [abs(float(z)) for z in header["pixdim"][1:4]]
    broken = [not np.isfinite(z) or z == 0 for z in zooms]
    has_form = file.kind != "analyze" and (header["sform_code"] > 0)
    if any(broken[:n_dims]) and not has_form:
        source.warn(f"{source.title} has no voxel size (pixdim is 0); 1 mm was taken.")
    return [1.0 if bad else z for z, bad in zip(zooms, broken, strict=True)]


def _forms(
    file: NiftiFile, source: Source
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The sform and the qform where their codes are set and they can be used."""
    from nibabel.spatialimages import HeaderDataError

    header: Any = file.header
    sform = header.get_sform() if header["sform_code"] > 0 else None
    if sform is not None and not _usable(sform):
        source.warn(f"{source.title} has a broken sform; it was ignored.")
        sform = None
    try:
        qform = header.get_qform() if header["qform_code"] > 0 else None
    except HeaderDataError:
        source.warn(f"{source.title} has a broken qform; it was ignored.")
        qform = None
    return sform, qform if qform is not None and _usable(qform) else None


def _usable(affine: np.ndarray) -> bool:
    return bool(
        np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-12
    )


def _differ(
    sform: np.ndarray, qform: np.ndarray, file: NiftiFile, zooms: list[float]
) -> bool:
    """Some corner of the image lies half a voxel apart in the two geometries."""
    extent = np.maximum(np.array((*file.raw.shape, 1, 1)[:3]) - 1, 1)
    corners = np.indices((2, 2, 2)).reshape(3, -1) * extent[:, np.newaxis]
    difference = sform - qform
    moved = difference[:3, :3] @ corners + difference[:3, 3:]
    return bool(np.linalg.norm(moved, axis=0).max() > 0.5 * min(zooms))


def _in_mm(affine: np.ndarray, file: NiftiFile, source: Source) -> np.ndarray:
    """Convert metres and microns, unless that gives impossible voxels."""
    code = int(file.header["xyzt_units"]) % 8
    factor = _MM_PER_UNIT.get(code, 1.0)
    if factor == 1.0:
        return affine
    unit = {1: "metres", 3: "microns"}[code]
    size = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    if factor > 1 and size * factor > _COARSEST:
        source.warn(
            f"{source.title} says that its unit is {unit}, but voxels of {size:g}"
            f" {unit} are impossible; mm were taken."
        )
        return affine
    source.warn(f"{source.title} is in {unit}; it was converted to mm.")
    return np.diag([factor, factor, factor, 1.0]) @ affine
