import numpy as np
import pytest
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from napari_medsynth.engine.metrics import (
    compare,
    foreground,
    mae,
    nmse,
    psnr,
    rmse,
    ssim,
)
from napari_medsynth.errors import VolumeError


@pytest.fixture
def pair(rng):
    truth = rng.random((3, 24, 30))
    return np.clip(truth + rng.normal(0, 0.1, truth.shape), 0, 1), truth


def test_hand_made_numbers():
    truth = np.zeros((2, 2))
    guess = np.array([[0.1, -0.1], [0.1, -0.1]])

    assert psnr(guess, truth) == pytest.approx(20.0)
    assert mae(guess, truth) == pytest.approx(0.1)
    assert psnr(guess, truth, data_range=10.0) == pytest.approx(40.0)
    assert mae(guess, truth, data_range=10.0) == pytest.approx(0.01)
    uneven = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert rmse(uneven, truth) == pytest.approx(2.5)
    assert rmse(uneven, truth, data_range=10.0) == pytest.approx(0.25)
    assert nmse(truth, uneven) == pytest.approx(1.0)
    assert nmse(uneven + 1, uneven) == pytest.approx(4 / 25)


def test_equal_images_are_perfect(pair):
    image, _ = pair

    assert psnr(image, image) == float("inf")
    assert ssim(image, image) == pytest.approx(1.0)
    assert mae(image, image) == 0.0


def test_psnr_is_that_of_scikit_image(pair):
    expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=1.0)

    assert psnr(*pair) == pytest.approx(expected)


def test_rmse_and_nmse_are_those_of_scikit_image(pair):
    guess, truth = pair
    unit = normalized_root_mse(truth, guess, normalization="min-max")
    energy = normalized_root_mse(truth, guess, normalization="euclidean")

    assert rmse(guess, truth, data_range=np.ptp(truth)) == pytest.approx(unit)
    assert nmse(guess, truth) == pytest.approx(energy**2)


def test_nmse_needs_a_real_image_with_energy(pair):
    with pytest.raises(ValueError, match="not 0 everywhere"):
        nmse(pair[0], np.zeros_like(pair[0]))


def test_ssim_is_that_of_scikit_image_averaged_over_slices_and_mask(pair):
    mask = np.zeros((3, 24, 30), bool)
    mask[1, 5:15, 8:20] = True
    settings = {"gaussian_weights": True, "use_sample_covariance": False, "full": True}
    local = structural_similarity(
        pair[0][1], pair[1][1], data_range=1.0, sigma=1.5, **settings
    )[1]

    assert ssim(*pair, mask=mask) == pytest.approx(local[mask[1]].mean())


def test_only_the_mask_counts(pair):
    guess, truth = (array.copy() for array in pair)
    mask = np.zeros(truth.shape, bool)
    mask[:, :12] = True
    guess[:, 12:] = 99.0

    assert psnr(guess, truth, mask=mask) == pytest.approx(
        psnr(guess[:, :12], truth[:, :12])
    )
    for metric in (mae, rmse, nmse):
        assert metric(guess, truth, mask=mask) == pytest.approx(
            metric(guess[:, :12], truth[:, :12])
        )


def test_voxels_that_are_not_finite_do_not_count(pair):
    guess, truth = (array.copy() for array in pair)
    guess[0, 0, 0] = np.nan
    truth[0, 0, 1] = np.inf

    for metric in (psnr, mae, ssim, rmse, nmse):
        assert np.isfinite(metric(guess, truth))


@pytest.mark.parametrize("metric", [psnr, ssim, mae, rmse])
def test_what_cannot_be_compared_is_refused(metric, pair):
    with pytest.raises(ValueError, match="one shape"):
        metric(pair[0], pair[1][:2])
    with pytest.raises(ValueError, match="empty"):
        metric(*pair, mask=np.zeros(pair[0].shape, bool))
    with pytest.raises(ValueError, match="above 0"):
        metric(*pair, data_range=0.0)


def test_ssim_refuses_slices_below_its_window():
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(np.zeros((5, 10, 30)), np.zeros((5, 10, 30)))


def test_foreground_is_the_head_with_its_dark_ventricles():
    image = np.zeros((2, 20, 20), np.float32)
    image[:, 4:16, 4:16] = 100.0
    image[:, 8:12, 8:12] = 0.0

    expected = np.zeros(image.shape, bool)
    expected[:, 4:16, 4:16] = True
    np.testing.assert_array_equal(foreground(image), expected)


def test_compare_does_not_see_the_unit(volume):
    scaled = volume.with_data(volume.data * 7 + 3)
    found = compare(scaled, volume)

    assert found["mae"] < 1e-5
    assert found["ssim"] == pytest.approx(1.0, abs=1e-6)
    assert found["psnr"] > 80
    assert 0.1 < found["foreground"] < 0.9


def test_compare_prefers_the_better_synthesis(volume, rng):
    noise = rng.normal(0, 100, volume.data.shape).astype(np.float32)
    near, far = (volume.with_data(volume.data + k * noise) for k in (0.3, 1.0))

    assert compare(near, volume)["psnr"] > compare(far, volume)["psnr"]
    assert compare(near, volume)["ssim"] > compare(far, volume)["ssim"]


def test_compare_refuses_another_grid(volume):
    with pytest.raises(VolumeError, match="resample"):
        compare(volume.with_data(volume.data[:, :3]), volume)
