"""Real subjects for the benchmarks, brain-extracted as the starter needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from napari_medsynth.io import Study, Volume, itk_from_volume, read_study
from napari_medsynth.prepare import to_grid
from napari_medsynth.simulate import ScanSettings, simulate_study
from napari_medsynth.simulate.anatomy import load_anatomy

CONTRASTS = ("T1", "T2", "FLAIR")


def lesjak(shared: Path) -> Study:
    """Give `ms_lesjak_p07`: MNI space, 1 mm, extracted by its authors."""
    folder = shared / "data" / "brain" / "ms_lesjak_p07"
    return read_study({m: folder / f"{m}.nii.gz" for m in CONTRASTS})


def stroke(shared: Path) -> Study:
    """Give `stroke_cstar`, which the starter was trained on."""
    folder = shared / "data" / "brain" / "stroke_cstar"
    return read_study({m: folder / f"{m}.nii.gz" for m in CONTRASTS})


def longitudinal(shared: Path) -> Study:
    """Give `ms_longitudinal_p04_native` on the grid of its FLAIR, without skull.

    Native 2D scans of about 3 mm, spin-echo T1. The brain mask is that of the ICBM 152
    average, registered (affine, mutual information) to the T2 and a little dilated.
    """
    folder = shared / "data" / "brain" / "ms_longitudinal_p04_native"
    native = read_study({m: folder / f"{n}.nii.gz" for m, n in _NAMES.items()})
    study = to_grid(native, "FLAIR")
    mask = _brain_mask(study["T2"])
    volumes = {
        name: volume.with_data(np.where(mask, volume.data, 0).astype(np.float32))
        for name, volume in study.volumes.items()
    }
    return Study(volumes, subject="ms_longitudinal_p04")


_NAMES = {"T1": "T1W", "T2": "T2W", "FLAIR": "FLAIR"}


def _brain_mask(volume: Volume) -> np.ndarray:
    ideal = ScanSettings(bias=0, noise=0, is_random_protocol=False)
    atlas = simulate_study(
        0, modalities=("T2",), settings=ideal, anatomy=load_anatomy()
    )
    moving = itk_from_volume(atlas["T2"])
    fixed = itk_from_volume(volume)
    transform = _affine(fixed, moving)
    brain = sitk.Cast(moving > 0, sitk.sitkUInt8)
    brain = sitk.BinaryMorphologicalClosing(brain, (4, 4, 4))
    placed = sitk.Resample(brain, fixed, transform, sitk.sitkNearestNeighbor)
    placed = sitk.BinaryFillhole(sitk.BinaryDilate(placed, (2, 2, 0)))
    return sitk.GetArrayFromImage(sitk.DICOMOrient(placed, "LPS")).astype(bool)


def _affine(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    start = sitk.CenteredTransformInitializer(
        fixed,
        moving,
        sitk.AffineTransform(3),
        sitk.CenteredTransformInitializerFilter.MOMENTS,
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(48)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.2, 1)
    method.SetNumberOfThreads(1)  # sums in another order move the mask, and the scores
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 200)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([3, 1, 0])
    method.SetInitialTransform(start, inPlace=False)
    # inside the skull only: its bright rim must not pull
    method.SetMetricMovingMask(sitk.BinaryDilate(sitk.Cast(moving > 0, 1), (3, 3, 3)))
    floats = [sitk.Cast(image, sitk.sitkFloat32) for image in (fixed, moving)]
    return method.Execute(*floats)
