"""Noise of CT at a lower dose."""

from functools import partial

import numpy as np
import pytest

from napari_medsynth.simulate import LowDose, degrade
from napari_medsynth.simulate.low_dose import VIEWS, WATER

SIDE, RADIUS, SPACING = 160, 60, 1.6  # 192 mm of water


def distance_from_centre(shape=(SIDE, SIDE)):
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.hypot(rows[:, np.newaxis], columns)


def water_disc():
    return np.where(distance_from_centre() < RADIUS, 0, -1000).astype(np.float32)


@pytest.fixture(scope="module")
def disc() -> LowDose:
    return LowDose(water_disc(), photons=2e5, electronic=0, spacing=SPACING)


def noise_of(scanner, dose, rng, n_draws=6):
    draws = np.stack([scanner.draw(dose, rng) for _ in range(n_draws)])
    return draws - water_disc()


def test_line_integrals_are_those_of_a_disc(disc):
    middle = (disc.sinogram.shape[1] - 1) / 2
    at = np.arange(disc.sinogram.shape[1]) - middle
    chord = 2 * np.sqrt(np.maximum(RADIUS**2 - at**2, 0)) * SPACING * WATER
    inner = np.abs(at) < RADIUS - 4

    error = disc.sinogram - chord

    assert np.abs(error[:, inner]).max() < 0.02 * chord.max()
    np.testing.assert_array_equal(disc.sinogram[:, np.abs(at) > RADIUS + 2], 0)


def test_line_integrals_are_those_of_scikit_image(rng):
    from skimage.transform import radon

    image = np.full((96, 96), -1000, np.float32)
    image[30:50, 22:74] = rng.uniform(-300, 800)
    image[60:70, 40:52] = 900
    scanner = LowDose(image)
    angles = -np.arange(scanner.n_views) * 180 / scanner.n_views

    found = scanner.sinogram.sum(axis=1) / WATER
    same = radon(image / 1000 + 1, angles, circle=False)
    peaks = scanner.sinogram.max(axis=1) / WATER

    np.testing.assert_allclose(found, (image / 1000 + 1).sum(), rtol=1e-4)
    np.testing.assert_allclose(peaks[::5], same.max(axis=0)[::5], rtol=0.06)


@pytest.mark.parametrize("dose", [0.5, 0.2, 0.05])
def test_the_noise_of_water_goes_with_one_over_the_root_of_the_dose(disc, dose, rng):
    centre = distance_from_centre() < 15

    full = noise_of(disc, 1.0, rng)[:, centre].std()
    less = noise_of(disc, dose, rng)[:, centre].std()

    assert less * dose**0.5 == pytest.approx(full, rel=0.1)


def test_the_noise_of_water_is_as_large_as_theory_says(disc, rng):
    """Variance of a back-projection: pi^2 / views times that of a filtered view."""
    centre = distance_from_centre() < 15
    frequency = np.linspace(0, 0.5, 2001)
    hann = 0.5 + 0.5 * np.cos(2 * np.pi * frequency)
    gain = 2 * np.mean(np.square(frequency * hann)) * 0.5
    attenuation = 2 * RADIUS * SPACING * WATER
    variance = np.exp(attenuation) / 2e5 / VIEWS * np.pi**2 * gain / SPACING**2
    expected = 1000 / WATER * variance**0.5

    found = noise_of(disc, 1.0, rng)[:, centre].std()

    # Interpolation between detector pixels smooths: at most by a quarter.
    assert 0.75 * expected < found < 1.05 * expected


@pytest.mark.parametrize("dose", [1.0, 0.1])
def test_water_keeps_its_mean(disc, dose, rng):
    inside = distance_from_centre() < RADIUS - 3
    centre = distance_from_centre() < 30

    noise = noise_of(disc, dose, rng, n_draws=12)

    assert abs(noise[:, inside].mean()) < 0.5
    assert abs(noise[:, centre].mean()) < 0.5


def test_noise_is_largest_where_most_is_absorbed(disc, rng):
    noise, distance = noise_of(disc, 0.2, rng), distance_from_centre()
    spread = noise.std(axis=0)

    assert (
        spread[distance < 15].mean()
        > 1.2 * spread[(distance > RADIUS - 8) & (distance < RADIUS)].mean()
    )


def test_noise_lies_where_it_was_measured():
    """What is reconstructed of the line integrals is the disc itself."""
    rows, columns = np.ogrid[:64, :80]
    disc = (np.hypot(rows - 26, columns - 47) < 11).astype(np.float32)
    scanner = LowDose(disc * 1000 - 1000, spacing=2)

    found = scanner._reconstructed(scanner.sinogram) / WATER

    inside = np.hypot(rows - 26, columns - 47) < 8
    assert abs(found[inside].mean() - 1) < 0.02
    assert abs((found * rows).sum() / found.sum() - 26) < 0.2
    assert abs((found * columns).sum() / found.sum() - 47) < 0.2


@pytest.mark.parametrize("electronic", [0, 2000])
def test_the_result_does_not_depend_on_how_many_views_are_computed(electronic, rng):
    spread = []
    for n in (160, 240):  # 120 and 180 views, of the same photons
        image = np.full((n, n), -1000, np.float32)
        image[distance_from_centre((n, n)) < 50] = 0
        scanner = LowDose(image, photons=1e5, electronic=electronic)
        centre = distance_from_centre((n, n)) < 15
        draws = [scanner.draw(0.3, rng)[centre] for _ in range(6)]
        spread.append(np.std(draws))

    assert spread[0] == pytest.approx(spread[1], rel=0.06)


def test_there_are_no_streaks_from_too_few_views(disc, rng):
    """Noise is as strong in all directions: no lines in the spectrum of the middle."""
    noise = noise_of(disc, 0.5, rng, n_draws=24)[:, 48:112, 48:112]
    power = np.square(np.abs(np.fft.fftshift(np.fft.fft2(noise), axes=(1, 2)))).mean(0)
    rows, columns = np.indices(power.shape) - 32
    ring = np.abs(np.hypot(rows, columns) - 20) < 4
    sector = (np.arctan2(rows, columns) % np.pi // (np.pi / 32)).astype(int)
    parts = [power[ring & (sector == k)].mean() for k in range(32)]

    assert max(parts) < 2 * min(parts)


def test_electronic_noise_matters_at_low_dose_only(rng):
    centre = distance_from_centre() < 15

    def spread(electronic, dose):
        scanner = LowDose(
            water_disc(), photons=2e5, electronic=electronic, spacing=SPACING
        )
        return noise_of(scanner, dose, rng)[:, centre].std()

    assert spread(10, 1.0) == pytest.approx(spread(0, 1.0), rel=0.1)
    assert spread(30, 0.01) > 1.2 * spread(0, 0.01)


def test_starved_detectors_give_streaks_but_no_infinities(rng):
    image = water_disc()
    image[75:85, 30:40] = image[75:85, 120:130] = 8000
    scan = partial(LowDose, photons=1e5, electronic=20, spacing=SPACING)
    bone = scan(image).draw(0.2, rng) - image
    image[75:85, 30:40] = image[75:85, 120:130] = 30000
    metal = scan(image).draw(0.2, rng) - image

    between, above = np.s_[78:82, 60:100], np.s_[30:50, 60:100]
    assert bone[between].std() > 1.5 * bone[above].std()
    assert abs(metal[between].mean()) < 700
    assert np.isfinite(metal).all()


def test_padding_and_metal_keep_what_was_measured(rng):
    image = water_disc()
    image[distance_from_centre() > 78] = -3024
    image[80, 80] = 9000

    noisy = LowDose(image, spacing=SPACING).draw(0.5, rng)

    np.testing.assert_array_equal(noisy[image == -3024], -3024)
    assert abs(noisy[80, 80] - 9000) < 300
    assert noisy[80, 80] != 9000


def test_an_image_that_is_wider_than_high_is_scanned_whole(rng):
    image = np.zeros((24, 90), np.float32)  # water up to its corners

    noise = LowDose(image).draw(0.1, rng) - image

    assert noise.shape == (24, 90)
    assert np.all(noise.std(axis=0) > 0)


def test_a_large_body_is_noisier(rng):
    spec = {"kind": "low-dose", "dose": 0.5, "photons": 1e5, "electronic": 0}
    centre = distance_from_centre() < 15

    small, stated, given = (
        degrade(water_disc(), {**spec, **more}, np.random.default_rng(3), spacing=mm)
        for more, mm in (({}, None), ({"spacing": 2.5}, None), ({}, 2.5))
    )

    assert stated[centre].std() > 1.3 * small[centre].std()
    np.testing.assert_array_equal(stated, given)
