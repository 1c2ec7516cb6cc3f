import numpy as np
import pytest

from napari_medsynth.engine.noise import noise_level, noise_map, residual
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume


@pytest.fixture
def clean(volume):
    provenance = {"model": "denoiser"}
    metadata = {"synthetic": True, "provenance": provenance, "path": "/there"}
    return volume.with_data(volume.data, name="T1 (denoised)", metadata=metadata)


@pytest.fixture
def flat():
    return Volume(np.full((1, 4, 64, 80), 100, np.float32))


def with_noise(volume, sigma, rng):
    noise = rng.normal(0, 1, volume.data.shape) * sigma
    return volume.with_data((volume.data + noise).astype(np.float32))


def test_residual_is_what_was_taken_away(clean):
    noisy = clean.with_data(clean.data + np.float32(3))
    taken = residual(noisy, clean)

    np.testing.assert_allclose(taken.data, 3, atol=1e-4)
    assert taken.spacing == clean.spacing
    assert taken.name == "T1 (denoised): residual"
    assert taken.modality == ""
    assert dict(taken.metadata) == {
        "synthetic": True,
        "provenance": {"model": "denoiser"},
    }


def test_residual_is_0_where_nothing_is_known(clean):
    noisy = clean.with_data(clean.data.copy())
    noisy.data[0, 0, 0, :3] = [np.nan, np.inf, 5]
    taken = residual(noisy, clean).data[0, 0, 0]

    assert taken[:3].tolist() == [0, 0, 5 - clean.data[0, 0, 0, 2]]


@pytest.mark.parametrize("change", [{"spacing": (1, 1, 1)}, {"origin": (9, 9, 9)}])
def test_residual_needs_one_grid(clean, change):
    with pytest.raises(VolumeError, match="on one grid"):
        residual(clean.with_data(clean.data, **change), clean)


def test_noise_map_follows_the_noise(flat, rng):
    sigma = np.where(np.arange(80) < 40, 5.0, 20.0)
    noise = residual(with_noise(flat, sigma, rng), flat)
    spread = noise_map(noise, size=9).data[0]

    assert spread[..., :34].mean() == pytest.approx(5, rel=0.05)
    assert spread[..., 46:].mean() == pytest.approx(20, rel=0.05)
    assert spread.dtype == np.float32


def test_noise_map_is_the_deviation_in_the_window(flat, rng):
    noise = with_noise(flat, 3, rng)
    spread = noise_map(noise, size=5).data[0]

    window = noise.data[0, 2, 30:35, 40:45]
    assert spread[2, 32, 42] == pytest.approx(window.std(dtype=float), rel=1e-5)


@pytest.mark.parametrize("size", [1, 4])
def test_noise_map_needs_an_odd_window(flat, size):
    with pytest.raises(ValueError, match="odd"):
        noise_map(flat, size=size)


@pytest.mark.parametrize("sigma", [2.0, 25.0])
def test_noise_level_is_found_without_a_clean_image(volume, flat, rng, sigma):
    assert noise_level(with_noise(flat, sigma, rng)) == pytest.approx(sigma, rel=0.05)


def test_masked_background_does_not_hide_the_noise(flat, rng):
    noisy = with_noise(flat, 10, rng)
    noisy.data[..., :60] = 0

    assert noise_level(noisy) == pytest.approx(10, rel=0.1)


def test_a_constant_image_has_no_noise(flat):
    assert noise_level(flat) == 0


def test_the_noise_of_air_does_not_count(rng):
    data = np.full((1, 4, 64, 64), -1000.0, np.float32)
    data[..., 16:48, 16:48] = 50.0
    sigma = np.where(data > 0, 12.0, 3.0)
    noisy = (data + sigma * rng.standard_normal(data.shape)).astype(np.float32)
    assert noise_level(Volume(noisy)) == pytest.approx(12.0, rel=0.1)
