"""Rank correlation and differences of maps."""

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.errors import EngineError
from napari_medsynth.explain.similarity import on_one_grid, rank_correlation
from napari_medsynth.explain.volumes import difference
from napari_medsynth.io import Volume


def volume_of(data, **options):
    return Volume(np.asarray(data, np.float32)[np.newaxis], name="map", **options)


def test_it_is_pearsons_correlation_of_the_ranks(rng):
    a, b = rng.random((2, 7, 9)).astype(np.float32)
    ranks = [x.ravel().argsort().argsort() for x in (a, a + b)]
    expected = np.corrcoef(*ranks)[0, 1]
    assert rank_correlation(a, a + b) == pytest.approx(expected, rel=1e-9)


def test_any_monotone_change_is_the_same_map(rng):
    a = rng.random((5, 6)).astype(np.float32)
    assert rank_correlation(a, np.exp(3 * a)) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_a_flat_map_has_no_ranks(rng):
    flat = np.ones((3, 4), np.float32)
    assert np.isnan(rank_correlation(flat, rng.random((3, 4)).astype(np.float32)))


def test_tokens_are_compared_on_the_pixels():
    coarse = np.arange(4, dtype=np.float32).reshape(2, 2)
    fine = np.kron(coarse, np.ones((4, 4), np.float32))
    assert rank_correlation(coarse, fine) > 0.9
    assert rank_correlation(fine, coarse) == rank_correlation(coarse, fine)


def test_volumes_of_other_grids_are_compared_in_millimetres():
    z, y, x = np.indices((2, 8, 8))
    fine = volume_of(x + 10 * y + z)
    # 4 mm tokens of the same plane, their centres 1.5 mm inside
    Y, X = np.meshgrid([1.5, 5.5], [1.5, 5.5], indexing="ij")
    plane = X + 10 * Y
    coarse = volume_of([plane, plane + 1], spacing=(1, 4, 4), origin=(0, 1.5, 1.5))
    assert rank_correlation(fine, coarse) > 0.95
    one, other = on_one_grid(fine, coarse)
    assert one is fine
    # between the token centres it is the plane itself
    np.testing.assert_allclose(other.data[0, 1, 3, 4], 4 + 30 + 1, rtol=1e-6)


def test_oblique_grids_are_followed():
    angle = np.deg2rad(20)
    turn = np.array(
        [
            [1, 0, 0],
            [0, np.cos(angle), -np.sin(angle)],
            [0, np.sin(angle), np.cos(angle)],
        ]
    )
    grid = {"direction": turn, "origin": (1.0, 2.0, 3.0)}
    fine = volume_of(np.zeros((1, 6, 6)), **grid)
    coarse = volume_of([[[0, 2], [20, 22]]], spacing=(1, 2, 2), **grid)
    _, moved = on_one_grid(fine, coarse)
    np.testing.assert_allclose(moved.data[0, 0, 1, 1], 11, rtol=1e-6)


def test_what_only_one_covers_does_not_count(rng):
    a = volume_of(rng.random((1, 6, 6)))
    half = replace(a, data=a.data[..., :3].copy(), spacing=(1.0, 1.0, 1.0))
    assert rank_correlation(a, half) == pytest.approx(1)
    assert np.isnan(on_one_grid(a, half)[1].data[..., 3:]).all()


@pytest.mark.parametrize("shift", [100.0])
def test_maps_of_two_subjects_are_refused(shift, rng):
    a = volume_of(rng.random((1, 4, 4)))
    with pytest.raises(EngineError, match="share no place"):
        rank_correlation(a, replace(a, origin=(0.0, shift, 0.0)))


def test_a_slice_and_a_volume_are_refused(rng):
    plane = rng.random((4, 4)).astype(np.float32)
    with pytest.raises(EngineError, match="make both"):
        rank_correlation(plane, volume_of(plane[np.newaxis]))


def test_a_difference_is_in_averages_of_each_map(rng):
    a, b = rng.random((2, 2, 3, 4))
    found = difference(volume_of(a), volume_of(50 * b))
    np.testing.assert_allclose(found.data[0], a / a.mean() - b / b.mean(), rtol=1e-4)
    assert found.name == "map minus map"


def test_a_map_of_nothing_is_nothing(rng):
    a = rng.random((1, 3, 3))
    found = difference(volume_of(a), volume_of(np.zeros((1, 3, 3))))
    np.testing.assert_allclose(found.data[0], a / a.mean(), rtol=1e-5)


def test_a_difference_is_0_where_one_has_no_map(rng):
    a = volume_of(rng.random((1, 6, 6)))
    found = difference(a, replace(a, data=a.data[..., :3].copy()))
    assert not found.data[..., 3:].any()
    assert found.data[..., :3].any()
