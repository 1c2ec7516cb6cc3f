"""Rigid registration, against motions that are known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, read_volume, same_grid
from napari_medsynth.prepare import misalignment, register

SHAPE, SPACING = (18, 44, 40), (5.0, 2.5, 2.5)


def head(contrast: int, shape=SHAPE, spacing=SPACING, **fields) -> Volume:
    """Ellipsoids without any symmetry; their grey values depend on `contrast`."""
    half = (np.array(shape) - 1) / 2 * spacing
    z, y, x = np.meshgrid(
        *(np.linspace(-h, h, n) for h, n in zip(half, shape, strict=True)),
        indexing="ij",
    )
    skull = (z / 38) ** 2 + (y / 48) ** 2 + (x / 40) ** 2 < 1
    lobe = ((z - 8) / 18) ** 2 + ((y + 14) / 22) ** 2 + ((x - 9) / 14) ** 2 < 1
    other = ((z + 12) / 12) ** 2 + ((y - 18) / 12) ** 2 + ((x + 12) / 10) ** 2 < 1
    greys = [(600, 900, 250), (300, 150, 800)][contrast]
    image = np.select([other, lobe, skull], [greys[2], greys[1], greys[0]], 0)
    noise = np.random.default_rng(contrast).normal(0, 8, shape)
    return Volume(
        (image + noise)[np.newaxis].astype(np.float32),
        spacing=spacing,
        origin=tuple(-half),
        **fields,
    )


def moved(volume: Volume, shift, degrees=0.0, axis=(1.0, 0.5, 0.2)) -> Volume:
    """Turn the grid about its centre and shift it, (S, P, L) [mm]."""
    turn = sitk.VersorTransform()
    turn.SetRotation(axis, np.radians(degrees))
    matrix = np.reshape(turn.GetMatrix(), (3, 3))
    half = (np.array(volume.shape) - 1) / 2 * volume.spacing
    centre = np.array(volume.origin) + volume.direction @ half
    origin = centre + matrix @ (np.array(volume.origin) - centre) + shift
    return replace(volume, direction=matrix @ volume.direction, origin=tuple(origin))


@pytest.mark.parametrize(
    ("shift", "degrees"), [((4.0, -5.0, 3.0), 0.0), ((2.0, 6.0, -3.0), 7.0)]
)
def test_a_known_motion_is_measured(shift, degrees):
    found = misalignment(head(0), moved(head(1), shift, degrees))

    assert found.shift == pytest.approx(np.linalg.norm(shift), abs=1.0)
    assert found.turn == pytest.approx(degrees, abs=0.7)


def test_aligned_scans_are_found_aligned_and_more_alike_than_moved_ones():
    found = misalignment(head(0), head(1))

    assert found.shift < 0.7
    assert found.turn < 0.7
    assert (
        found.similarity > misalignment(head(0), moved(head(1), (6, 6, 0))).similarity
    )


def test_a_registered_scan_is_where_it_belongs():
    fixed, moving = head(0), moved(head(1), (5.0, -6.0, 4.0), 6.0)

    result = register(moving, fixed)

    assert same_grid(result, fixed)
    inside = fixed.data > 100
    error = np.abs(result.data - head(1).data)[inside].mean()
    unregistered = register_by_header(moving, fixed)
    assert error < 40 < np.abs(unregistered - head(1).data)[inside].mean()


def register_by_header(moving, fixed):
    from napari_medsynth.prepare.align import resample

    return resample(moving, fixed).data


def test_scans_far_apart_are_brought_together():
    fixed, moving = head(0), moved(head(1), (400.0, -300.0, 200.0))

    result = register(moving, fixed)

    assert np.abs(result.data - head(1).data)[fixed.data > 100].mean() < 40


def test_grids_may_differ():
    fixed = head(0)
    moving = moved(head(1, shape=(44, 30, 26), spacing=(2.0, 4.0, 4.0)), (0, 5.0, 0))

    found = misalignment(fixed, moving)

    assert found.shift == pytest.approx(5.0, abs=0.7)
    assert register(moving, fixed).shape == fixed.shape


def test_equal_scans_give_equal_results_to_the_last_bit():
    fixed, moving = head(0), moved(head(1), (3.0, 2.0, 1.0), 3.0)

    first, second = (register(moving, fixed).data for _ in range(2))

    assert np.array_equal(first, second)


def test_the_number_of_threads_is_left_as_it_was():
    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    try:
        misalignment(head(0), head(1))

        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 2
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)


def test_a_constant_scan_is_one_sentence():
    empty = head(1, name="T2")
    empty = empty.with_data(np.ones_like(empty.data))

    with pytest.raises(VolumeError, match="T2 is empty or constant"):
        misalignment(head(0), empty)


@pytest.mark.parametrize("contrast", ["T1W", "T2W"])
def test_a_real_session_agrees_with_its_published_transforms(shared, contrast):
    folder = shared / "data" / "brain" / "ms_longitudinal_p04_native"
    flair = read_volume(folder / "FLAIR.nii.gz")
    other = read_volume(folder / f"{contrast}.nii.gz")

    found = misalignment(flair, other)
    shifted = misalignment(flair, moved(other, (3.0, -4.0, 2.0)))

    # Published: 0.33 and 0.11 mm, 0.4 degrees and less.
    assert found.shift < 1.2
    assert found.turn < 1.0
    assert shifted.shift == pytest.approx(np.sqrt(29), abs=0.9)
