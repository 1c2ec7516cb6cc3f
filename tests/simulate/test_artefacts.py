"""Bias field, noise, thickness and blur."""

import numpy as np

from napari_medsynth.simulate.artefacts import (
    bias_coefficients,
    bias_field,
    point_spread,
    rician,
    thick_slices,
)
from napari_medsynth.simulate.fields import smooth_field


def test_rician_noise_of_air_is_rayleigh(rng):
    noise = rician(np.zeros((200, 200), np.float32), 2.0, rng)

    assert abs(noise.mean() - 2 * np.sqrt(np.pi / 2)) < 0.03
    assert noise.min() >= 0


def test_bias_field_is_smooth_and_one_without_coefficients(rng):
    axis = np.linspace(-1, 1, 50, dtype=np.float32)
    flat = bias_field(np.zeros(10), axis[:, None, None], axis[:, None], axis)
    field = bias_field(bias_coefficients(rng), np.float32(0), axis[:, None], axis)

    assert np.all(flat == 1)
    assert field.min() > 0
    assert np.abs(np.diff(field, axis=0)).max() < 0.1 * field.max()


def test_a_thick_slice_is_the_mean_of_its_neighbours():
    image = np.zeros((9, 2, 2), np.float32)
    image[4] = 3

    thick = thick_slices(image, 3, axis=0)

    np.testing.assert_allclose(thick[:, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0, 0])
    assert thick_slices(image, 1, axis=0) is image


def test_blur_keeps_the_sum_and_halves_at_half_the_fwhm():
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1

    blurred = point_spread(image, 6.0)

    assert abs(blurred.sum() - 1) < 1e-3
    np.testing.assert_allclose(blurred[20, 23], 0.5 * blurred[20, 20], rtol=0.02)


def test_smooth_field_has_the_asked_shape_and_repeats(rng):
    field = smooth_field((5, 33, 20), 8, rng)

    assert field.shape == (5, 33, 20)
    assert field.dtype == np.float32
    assert np.abs(np.diff(field, axis=1)).max() < 1.0
