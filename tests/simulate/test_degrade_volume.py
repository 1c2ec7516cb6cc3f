"""Worse scans, where they lie in the world, and the way back."""

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Volume, same_grid
from napari_medsynth.simulate import degrade_volume, present_volume

PLANES = ("axial", "coronal", "sagittal")
THICK = {"kind": "thick-slices", "factor": [3, 1], "profile": "gaussian"}


def oblique():
    """A rotation about the first and then the last axis."""
    c, s = np.cos(0.3), np.sin(0.3)
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return tilt @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def scan(shape=(24, 36, 30), centre=(11.0, 17.0, 14.0)):
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    distance = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True))
    return Volume(
        500 * np.exp(-distance / 18).astype(np.float32)[np.newaxis],
        spacing=(1.5, 0.8, 1.1),
        origin=(-20.0, 7.0, 33.0),
        direction=oblique(),
        orientation="RAS",
        modality="T2",
        name="scan",
        metadata={"path": "scan.nii.gz", "dtype": "int16", "provenance": {"a": 1}},
    )


def card_of(degradation, scale=1):
    return ModelCard(
        "test",
        "edsr",
        "super-resolution",
        "Test",
        "a:B",
        ("low-resolution image",),
        ("image",),
        degradation=degradation,
        scale=scale,
        size_multiple=scale,
    )


def centre_of_mass(volume):
    """(S, P, L) [mm]."""
    weights = volume.data[0].astype(np.float64)
    index = [
        (weights.sum(axis=tuple(j for j in range(3) if j != i)) @ np.arange(n))
        / weights.sum()
        for i, n in enumerate(volume.shape)
    ]
    return volume.origin + volume.direction @ np.multiply(index, volume.spacing)


def downsampling(method="area", factor=(2, 2), **others):
    spec = {"kind": "downsample", "factor": list(factor), "method": method}
    return {**spec, **others}


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("method", ["area", "bicubic", "kspace"])
def test_the_blob_stays_where_it_is_in_the_world(plane, method, rng):
    fine = scan()

    coarse = degrade_volume(fine, downsampling(method, (2, 3)), rng, plane=plane)
    back = present_volume(coarse, card_of(downsampling(method, (2, 3))), plane=plane)

    where = centre_of_mass(fine)
    np.testing.assert_allclose(centre_of_mass(coarse), where, atol=0.01)
    np.testing.assert_allclose(centre_of_mass(back), where, atol=0.02)


@pytest.mark.parametrize(
    ("plane", "shape", "spacing"),
    [
        ("axial", (24, 18, 10), (1.5, 1.6, 3.3)),
        ("coronal", (12, 36, 10), (3.0, 0.8, 3.3)),
        ("sagittal", (12, 12, 30), (3.0, 2.4, 1.1)),
    ],
)
def test_the_factor_is_of_rows_and_columns_of_the_plane(plane, shape, spacing, rng):
    coarse = degrade_volume(scan(), downsampling(factor=(2, 3)), rng, plane=plane)

    assert coarse.shape == shape
    np.testing.assert_allclose(coarse.spacing, spacing)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_there_and_back_is_the_same_grid(plane, scale, rng):
    fine, spec = scan(), downsampling(factor=(max(scale, 2),) * 2)

    coarse = degrade_volume(fine, spec, rng, plane=plane)
    back = present_volume(coarse, card_of(spec, scale), plane=plane)

    assert same_grid(back, fine)
    np.testing.assert_allclose(back.origin, fine.origin, atol=1e-9)
    np.testing.assert_allclose(back.spacing, fine.spacing)
    for key in ("orientation", "modality"):
        assert getattr(coarse, key) == getattr(back, key) == getattr(fine, key)
    np.testing.assert_array_equal(coarse.direction, fine.direction)


def test_a_network_that_enlarges_finds_the_coarse_voxels_in_each_second_one(rng):
    spec = downsampling()
    coarse = degrade_volume(scan(), spec, rng, plane="coronal")
    shown = present_volume(coarse, card_of(spec, 2), plane="coronal")

    np.testing.assert_array_equal(shown.data[:, ::2, :, ::2], coarse.data)
    np.testing.assert_array_equal(shown.data[:, 1::2, :, 1::2], coarse.data)


@pytest.mark.parametrize("plane", PLANES)
def test_thick_slices_are_axial(plane, rng):
    coarse = degrade_volume(scan(), THICK, np.random.default_rng(1), plane=plane)
    back = present_volume(coarse, card_of(THICK), plane="sagittal")

    assert coarse.shape == (8, 36, 30)
    assert coarse.spacing == (4.5, 0.8, 1.1)
    assert same_grid(back, scan())
    assert np.abs(back.data - scan().data).max() < 120  # of 500, rounded by 4.5 mm


def test_slices_of_a_scanner_become_isotropic_with_any_factor(rng):
    thick = scan((10, 12, 12), (4, 5, 6))
    fine = present_volume(thick, card_of(THICK), plane="coronal", factor=1.5 / 0.8)

    assert fine.shape == (19, 12, 12)
    assert fine.spacing[0] == pytest.approx(15 / 19)
    np.testing.assert_allclose(centre_of_mass(fine), centre_of_mass(thick), atol=0.02)


def test_a_volume_that_needs_no_enlargement_is_itself():
    volume = scan((4, 5, 6))

    assert present_volume(volume, card_of({"kind": "rician", "sigma": 0.1})) is volume


def test_sides_that_do_not_fit_lose_their_end(rng):
    fine = scan((5, 21, 23))

    coarse = degrade_volume(fine, downsampling(factor=(4, 4)), rng)

    assert coarse.shape == (5, 5, 5)
    corner = fine.direction @ np.multiply((0, 1.5, 1.5), fine.spacing)
    np.testing.assert_allclose(coarse.origin, fine.origin + corner)


def test_all_slices_are_degraded_alike_and_the_file_says_how(rng):
    flat = Volume(np.full((2, 20, 40, 40), 100, np.float32), name="T1")

    noisy = degrade_volume(flat, {"kind": "rician", "sigma": [0.01, 0.2]}, rng)
    how = noisy.metadata["provenance"]["degradation"]

    spread = noisy.data.std(axis=(2, 3)) / 100
    np.testing.assert_allclose(spread, how["sigma"], rtol=0.12)
    assert not np.array_equal(noisy.data[0, 0], noisy.data[0, 1])
    assert how["kind"] == "rician"
    assert noisy.name == "T1 (noisy)"


def test_the_name_and_the_metadata_tell_what_was_done(rng):
    coarse = degrade_volume(scan(), downsampling("kspace"), rng, plane="sagittal")

    assert coarse.name == "scan (low resolution)"
    assert "dtype" not in coarse.metadata
    assert coarse.metadata["provenance"] == {
        "a": 1,
        "degradation": {
            "kind": "downsample",
            "factor": [2, 2],
            "method": "kspace",
            "noise": 0.0,
            "plane": "sagittal",
        },
    }


def test_ct_knows_how_large_the_body_is(rng):
    water = np.zeros((1, 2, 64, 64), np.float32)
    spec = {"kind": "low-dose", "dose": 0.2, "electronic": 0}
    small, large = (
        degrade_volume(Volume(water, spacing=(5, mm, mm)), spec, rng).data.std()
        for mm in (1.0, 5.0)
    )

    # 320 mm instead of 64 absorb more; larger pixels are less noisy.
    ratio = np.exp(0.0193 * 64 * (5 - 1) / 2) / 5
    assert large / small == pytest.approx(ratio, rel=0.25)


def test_how_far_slices_are_apart_changes_no_noise():
    spec = {"kind": "low-dose", "dose": 0.2}
    near, far = (
        degrade_volume(
            Volume(np.zeros((1, 2, 32, 32), np.float32), spacing=(mm, 1, 1)),
            spec,
            np.random.default_rng(1),
        )
        for mm in (1.0, 9.0)
    )

    np.testing.assert_array_equal(near.data, far.data)


def test_misfits_are_sentences(rng):
    with pytest.raises(CardError, match="plane must be one of axial"):
        degrade_volume(scan(), downsampling(), rng, plane="oblique")
    with pytest.raises(CardError, match="2 times, not 3 times"):
        present_volume(scan(), card_of(downsampling(), 2), factor=3)
    with pytest.raises(CardError, match=r"1 or more, got 0\.5"):
        present_volume(scan(), card_of(THICK), plane="coronal", factor=0.5)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ({"kind": "rician", "sigma": 0.05}, "kind low-dose"),
        ({"kind": "downsample", "factor": [2, 2], "method": "kspace"}, "method area"),
        (THICK | {"noise": 0.01}, "choose no noise"),
    ],
)
def test_air_in_hounsfield_units_is_not_turned_over(spec, advice):
    mr = scan()
    ct = mr.with_data(4 * mr.data - 1000)
    rng = np.random.default_rng(0)

    assert degrade_volume(mr, spec, rng).data.min() >= 0
    with pytest.raises(VolumeError, match=advice):
        degrade_volume(ct, spec, rng)
    assert degrade_volume(ct, THICK, rng).data.min() < -990
