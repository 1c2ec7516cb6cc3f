import numpy as np
import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as by_torchmetrics,
)
from torchmetrics.functional.image.ssim import _ssim_update

from napari_medsynth.engine.ms_ssim import SMALLEST, ms_ssim, scales_of

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


@pytest.fixture
def pair(rng):
    """Two slices of odd size, structured at every scale."""
    shape = (2, 183, 217)
    truth = sum(
        np.kron(rng.random((2, 183 // n + 1, 217 // n + 1)), np.ones((1, n, n)))[
            :, :183, :217
        ]
        for n in (1, 4, 16, 48)
    )
    truth /= truth.max()
    return np.clip(truth + rng.normal(0, 0.15, shape), 0, 1), truth


def by_the_paper(a, b, data_range=1.0, n_scales=5):
    """Equation 7, from torchmetrics' local values of valid windows at each scale."""
    weights = WEIGHTS[:n_scales] * WEIGHTS.sum() / WEIGHTS[:n_scales].sum()
    x, y = (torch.from_numpy(image)[None, None] for image in (a, b))
    means = []
    for _ in range(n_scales - 1):
        means.append(
            _ssim_update(x, y, data_range=data_range, return_contrast_sensitivity=True)[
                1
            ]
        )
        x, y = (torch.nn.functional.avg_pool2d(image, 2) for image in (x, y))
    full = _ssim_update(x, y, data_range=data_range, return_full_image=True)[1]
    means.append(full[..., 5:-5, 5:-5].mean())
    return float(np.prod([float(m) ** w for m, w in zip(means, weights, strict=True)]))


@pytest.mark.parametrize("data_range", [1.0, 80.0])
def test_without_a_mask_it_is_the_papers(pair, data_range):
    a, b = (data_range * image for image in pair)
    expected = np.mean(
        [by_the_paper(x, y, data_range) for x, y in zip(a, b, strict=True)]
    )
    assert 0.3 < expected < 0.95
    assert ms_ssim(a, b, data_range=data_range) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("side", "n_scales"), [(175, 4), (88, 4), (87, 3), (44, 3)])
def test_slices_too_small_for_five_scales_have_fewer(pair, side, n_scales):
    a, b = (image[0, :side, :180] for image in pair)

    assert scales_of(a.shape) == n_scales
    assert ms_ssim(a, b) == pytest.approx(by_the_paper(a, b, n_scales=n_scales))


def test_torchmetrics_differs_only_by_its_mirrored_rim_at_the_last_scale(pair):
    a, b = (torch.from_numpy(image)[:, None] for image in pair)
    expected = float(by_torchmetrics(a, b, data_range=1.0))

    assert ms_ssim(*pair) == pytest.approx(expected, abs=0.003)


def test_torchmetrics_agrees_where_the_last_scale_is_even():
    # A shift of brightness: structure 1 everywhere, luminance the same everywhere.
    a, b = np.full((176, 176), 0.5), np.full((176, 176), 0.6)
    x, y = (torch.from_numpy(image)[None, None] for image in (a, b))
    luminance = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)

    assert ms_ssim(a, b) == pytest.approx(luminance**0.1333, abs=1e-9)
    assert ms_ssim(a, b) == pytest.approx(float(by_torchmetrics(x, y, data_range=1.0)))


def test_equal_images_are_perfect(pair):
    assert ms_ssim(pair[1], pair[1]) == pytest.approx(1.0)


def test_a_full_mask_is_no_mask(pair):
    full = np.ones(pair[0].shape, bool)

    assert ms_ssim(*pair, mask=full) == pytest.approx(ms_ssim(*pair), abs=1e-12)


def test_a_mask_far_from_the_error_is_perfect():
    # 11 pixels of the coarsest scale are 176 of the finest: 5 of them reach 80 + 16.
    truth = np.random.default_rng(0).random((176, 400))
    guess = truth.copy()
    guess[:, 300:] = 0
    near, far = np.zeros((2, *truth.shape), bool)
    far[:, :160] = True
    near[:, 240:290] = True

    assert ms_ssim(guess, truth, mask=far) == pytest.approx(1.0)
    assert ms_ssim(guess, truth, mask=near) < 0.95


def test_a_pixel_of_a_coarse_scale_counts_by_its_share():
    # Constant images: each scale has one value per half, mirrored borders or not.
    a = np.full((192, 192), 0.5)
    b = a.copy()
    b[:, 96:] = 0.8
    mask = np.zeros(a.shape, bool)
    mask[:, :4] = True  # a quarter of a coarsest pixel: away from the step
    mask[:, -12:] = True
    luminance = (2 * 0.5 * 0.8 + 1e-4) / (0.25 + 0.64 + 1e-4)
    expected = ((4 * 1.0 + 12 * luminance) / 16) ** 0.1333

    assert ms_ssim(a, b, mask=mask) == pytest.approx(expected, abs=1e-4)


def test_slices_are_weighted_by_their_voxels(pair):
    mask = np.zeros(pair[0].shape, bool)
    mask[0, 40:60, 40:60] = True
    mask[1, 40:80, 40:80] = True
    one, two = (ms_ssim(a, b, mask=m) for a, b, m in zip(*pair, mask, strict=True))

    assert one != pytest.approx(two, abs=1e-3)
    assert ms_ssim(*pair, mask=mask) == pytest.approx((400 * one + 1600 * two) / 2000)


def test_voxels_that_are_not_finite_do_not_count(pair):
    broken = pair[0].copy()
    broken[0, 3, 3] = np.nan

    assert ms_ssim(broken, pair[1]) == pytest.approx(ms_ssim(*pair), abs=0.02)


def test_an_inverted_image_is_0_not_complex(pair):
    assert ms_ssim(1 - pair[1], pair[1]) == 0.0


def test_what_cannot_be_compared_is_refused(pair):
    with pytest.raises(ValueError, match="44 pixels"):
        ms_ssim(np.zeros((SMALLEST - 1, 300)), np.zeros((SMALLEST - 1, 300)))
    with pytest.raises(ValueError, match="empty"):
        ms_ssim(*pair, mask=np.zeros(pair[0].shape, bool))
    corner = np.zeros(pair[0].shape, bool)
    corner[:, -1, -1] = True  # dropped when 183 is halved
    with pytest.raises(ValueError, match="coarsest"):
        ms_ssim(*pair, mask=corner)
