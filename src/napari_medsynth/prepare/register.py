"""Rigid registration of two scans of one subject, whatever their contrasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import lps_image

from .align import MINIMAL_OVERLAP, overlap, resample

_QUICK, _FINE = 4.0, 2.0  # voxel size that is registered at [mm]
_N_SAMPLES = 150_000  # of each level, at most
_N_BINS = 32
_MIN_VOXELS = 4  # along each side, or the metric has no gradient
_SEED = 20220418
_RIM = 3  # voxels around the head that count too


@dataclass(frozen=True)
class Misalignment:
    """How far a scan lies off another one.

    Parameters
    ----------
    shift : float
        Of the middle of the head [mm].
    turn : float
        About any axis [degree].
    similarity : float
        Normalised mutual information as the scans lie now: 1 unrelated, 2 equal.
    """

    shift: float
    turn: float
    similarity: float


def misalignment(fixed: Volume, moving: Volume) -> Misalignment:
    """Measure, in about a second, how far `moving` lies off `fixed`.

    A registration that does not make the scans more alike counts as none.

    Raises
    ------
    VolumeError
        If the scans have nothing in common that could be compared.
    """
    images = coarse(fixed, _QUICK), coarse(moving, _QUICK)
    found = _rigid(fixed, moving, _QUICK)
    now = _similarity(*images, sitk.Transform())
    if _similarity(*images, found) <= now:
        return Misalignment(0.0, 0.0, now)
    shift = float(np.linalg.norm(found.GetTranslation()))
    matrix = np.reshape(found.GetMatrix(), (3, 3))
    cosine = np.clip((np.trace(matrix) - 1) / 2, -1.0, 1.0)
    return Misalignment(shift, float(np.degrees(np.arccos(cosine))), now)


def register(moving: Volume, fixed: Volume) -> Volume:
    """Turn and shift `moving` onto `fixed`, and resample it to its grid.

    Mattes' mutual information, from coarse to fine, starting at the positions in the
    headers, or at equal centres where the fields of view hardly overlap. A
    fixed seed and one thread: equal scans give equal results, to the last bit.

    Raises
    ------
    VolumeError
        If the scans have nothing in common that could be compared.
    """
    return resample(moving, fixed, _rigid(fixed, moving, _FINE))


def _rigid(fixed: Volume, moving: Volume, spacing: float) -> sitk.Euler3DTransform:
    """Find the transform from points of `fixed` to points of `moving`."""
    still, moved = coarse(fixed, spacing), coarse(moving, spacing)
    if overlap(moving, fixed)[0] < MINIMAL_OVERLAP:
        start = sitk.Euler3DTransform(
            sitk.CenteredTransformInitializer(still, moved, sitk.Euler3DTransform())
        )
    else:
        start = sitk.Euler3DTransform()
    offset = np.array(start.GetTranslation())
    # Turned about the middle of the head, a translation is the shift of the head.
    start.SetCenter(_middle(still))
    start.SetTranslation(offset.tolist())
    try:
        with _one_thread():
            method = _method(still)
            method.SetInitialTransform(start, inPlace=True)
            method.Execute(still, moved)
    except RuntimeError as err:
        raise VolumeError(
            f"{moving.name or 'A scan'} cannot be registered to "
            f"{fixed.name or 'another'}: choose scans of one subject that overlap."
        ) from err
    return start


def _method(still: sitk.Image) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_N_BINS)
    share = min(1.0, _N_SAMPLES / still.GetNumberOfPixels())
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(share, _SEED)  # of the jitter
    method.SetMetricFixedMask(_head(still))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0,
        minStep=0.01,
        numberOfIterations=120,
        relaxationFactor=0.8,
        gradientMagnitudeTolerance=1e-9,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    smallest = min(still.GetSize())
    factors = [f for f in (4, 2, 1) if f == 1 or smallest // f >= 2 * _MIN_VOXELS]
    method.SetShrinkFactorsPerLevel(factors)
    spacing = still.GetSpacing()[0]
    method.SetSmoothingSigmasPerLevel([0.5 * spacing * (f > 1) * f for f in factors])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sum in one order: the metric ignores the method's own number of threads."""
    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)


def _head(image: sitk.Image) -> sitk.Image:
    """Mark what is brighter than the mean, and a rim: air says nothing."""
    bright = image > float(sitk.GetArrayViewFromImage(image).mean())
    return sitk.BinaryDilate(bright, [_RIM] * 3)


def coarse(volume: Volume, spacing: float) -> sitk.Image:
    """Resample to about cubic voxels of `spacing` [mm]; outliers are clipped."""
    data = np.nan_to_num(volume.data[:1], nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(data[..., ::3], (0.5, 99.8))
    if not high > low:
        raise VolumeError(
            f"{volume.name or 'A scan'} is empty or constant and cannot be registered."
        )
    image = lps_image(volume.with_data(np.clip(data, low, high)))
    sigmas = [0.4 * spacing * (s < spacing) + 1e-3 for s in image.GetSpacing()]
    if min(image.GetSize()) >= _MIN_VOXELS:  # the recursive filter needs them
        image = sitk.SmoothingRecursiveGaussian(image, sigmas)
    size = [
        max(_MIN_VOXELS, round(n * s / spacing))
        for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    fine = np.multiply(image.GetSize(), image.GetSpacing()) / size
    middle = [(s / t - 1) / 2 for s, t in zip(fine, image.GetSpacing(), strict=True)]
    return sitk.Resample(
        image,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        image.TransformContinuousIndexToPhysicalPoint(middle),
        fine.tolist(),
        image.GetDirection(),
        float(low),
    )


def _middle(image: sitk.Image) -> list[float]:
    """Give the centre of what is brighter than the mean, (L, P, S) [mm]."""
    array = sitk.GetArrayViewFromImage(image)
    index = np.argwhere(array > array.mean()).mean(axis=0)[::-1]
    point: tuple[float, ...] = image.TransformContinuousIndexToPhysicalPoint(
        index.tolist()
    )
    return list(point)


def _similarity(
    still: sitk.Image, moved: sitk.Image, transform: sitk.Transform
) -> float:
    """Give the normalised mutual information over the shared field of view."""
    outside = -1e9
    onto = sitk.Resample(
        moved, still, transform, sitk.sitkLinear, outside, sitk.sitkFloat32
    )
    a = sitk.GetArrayFromImage(still).ravel()
    b = sitk.GetArrayFromImage(onto).ravel()
    inside = b > 0.5 * outside
    if inside.sum() < _MIN_VOXELS**3:
        return 1.0
    joint, _, _ = np.histogram2d(a[inside], b[inside], bins=_N_BINS)
    both = _entropy(joint)
    if not both:
        return 1.0
    return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / both


def _entropy(counts: NDArray[np.float64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
