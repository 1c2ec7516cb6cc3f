import numpy as np
import pytest
from skimage.metrics import (
    mean_squared_error,
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from napari_medsynth.engine import compare
from napari_medsynth.engine.ms_ssim import ms_ssim
from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import Region, declare, measure, regions_of
from napari_medsynth.io import Volume


@pytest.fixture
def region(truth):
    mask = np.zeros(truth.shape, bool)
    mask[2:4, 8:24, 6:30] = True
    return Region("box", mask)


def test_every_number_as_it_is_is_that_of_scikit_image(truth, synthetic, region, run):
    declaration = declare(truth, "as is")
    _, (row,) = run(measure(synthetic, truth, [region], declaration, model="tiny"))
    a, b = synthetic.data[0][region.mask], truth.data[0][region.mask]
    width = float(truth.data.max() - truth.data.min())
    local = [
        structural_similarity(
            synthetic.data[0, i].astype(float),
            truth.data[0, i].astype(float),
            data_range=width,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][region.mask[i]]
        for i in (2, 3)
    ]

    assert row.n_voxels == 2 * 16 * 24
    assert row.values["mae"] == pytest.approx(np.abs(a - b).mean(), rel=1e-5)
    assert row.values["rmse"] == pytest.approx(np.sqrt(mean_squared_error(b, a)))
    assert row.values["psnr"] == pytest.approx(
        peak_signal_noise_ratio(b.astype(float), a.astype(float), data_range=width)
    )
    assert row.values["nmse"] == pytest.approx(
        normalized_root_mse(b, a, normalization="euclidean") ** 2, rel=1e-5
    )
    assert row.values["ssim"] == pytest.approx(np.mean(local))


def test_percentiles_in_the_foreground_agree_with_compare(truth, synthetic, run):
    _, rows = run(
        measure(synthetic, truth, regions_of(truth), declare(truth), model="tiny")
    )
    expected = compare(synthetic, truth)

    assert [row.region for row in rows] == ["whole image", "foreground"]
    for name in ("psnr", "ssim", "mae"):
        assert rows[1].values[name] == pytest.approx(expected[name])


def test_a_window_measures_in_its_own_unit_what_it_shows(run):
    data = np.linspace(-1000, 1000, 400, dtype=np.float32).reshape(1, 1, 20, 20)
    truth, made = Volume(data), Volume(data + np.float32(10))
    declaration = declare(truth, "window", (0.0, 80.0))
    shown = np.clip(data + 10, 0, 80) - np.clip(data, 0, 80)
    _, (row, _) = run(measure(made, truth, regions_of(truth), declaration, model="m"))

    assert row.values["mae"] == pytest.approx(np.abs(shown).mean(), rel=1e-4)
    assert row.values["psnr"] == pytest.approx(
        10 * np.log10(80**2 / np.square(shown).mean()), rel=1e-4
    )


def test_slices_are_counted_and_rows_are_returned(truth, synthetic, run):
    regions = regions_of(truth)
    yielded, returned = run(
        measure(synthetic, truth, regions, declare(truth), model="tiny")
    )

    n_slices = truth.shape[0]
    assert yielded == [(i + 1, n_slices) for i in range(n_slices)]
    assert [row.region for row in returned] == [region.name for region in regions]
    assert {row.model for row in returned} == {"tiny"}


def test_voxels_outside_of_the_region_do_not_count(truth, synthetic, region, run):
    far = synthetic.data.copy()
    far[:, 5] = 1e6  # no window of the region's slices sees this one
    declaration = declare(truth, "as is")
    rows = [
        run(measure(volume, truth, [region], declaration, model="tiny"))[1][0]
        for volume in (synthetic, synthetic.with_data(far))
    ]
    assert rows[0].values == rows[1].values


def test_what_cannot_be_measured_has_a_reason(truth, synthetic, run):
    small, empty = np.zeros((2, *truth.shape), bool)
    small[3, 20, 18:21] = True
    regions = [Region("small", small), Region("empty", empty)]
    _, (few, none) = run(
        measure(synthetic, truth, regions, declare(truth), model="tiny")
    )

    assert set(few.values) == {"mae", "rmse", "psnr", "nmse"}
    assert "121 voxels" in few.reasons["ssim"]
    assert none.values == {}
    assert none.n_voxels == 0
    assert "empty" in none.reasons["psnr"]
    assert set(none.reasons) == {"mae", "rmse", "psnr", "ssim", "ms_ssim", "nmse"}


def test_slices_too_small_for_scales_say_so(truth, synthetic, run):
    _, rows = run(
        measure(synthetic, truth, regions_of(truth), declare(truth), model="tiny")
    )
    assert "44 pixels" in rows[1].reasons["ms_ssim"]
    assert "40 x 36" in rows[1].reasons["ms_ssim"]
    assert "ssim" in rows[1].values


def test_large_slices_have_ms_ssim(rng, run):
    data = rng.random((1, 2, 176, 180)).astype(np.float32)
    truth = Volume(data)
    made = Volume((data + rng.normal(0, 0.3, data.shape)).astype(np.float32))
    mask = np.zeros(truth.shape, bool)
    mask[1, 50:100, 60:90] = True
    declaration = declare(truth, "as is")
    regions = [Region("box", mask), regions_of(truth)[0]]
    _, (box, whole) = run(measure(made, truth, regions, declaration, model="m"))
    settings = {"data_range": declaration.data_range}

    assert box.values["ms_ssim"] == pytest.approx(
        ms_ssim(made.data[0], data[0], mask=mask, **settings)
    )
    assert whole.values["ms_ssim"] == pytest.approx(
        ms_ssim(made.data[0], data[0], **settings)
    )


def test_fewer_scales_are_said(rng, run):
    truth = Volume(rng.random((1, 2, 100, 180)).astype(np.float32))
    region = regions_of(truth)[:1]
    _, (row,) = run(measure(truth, truth, region, declare(truth), model="m"))

    assert row.values["ms_ssim"] == pytest.approx(1)
    assert row.notes[0].startswith("MS-SSIM is that of 4 scales")
    assert "100 x 180" in row.notes[0]


def test_equal_images_are_perfect(truth, run):
    _, (row, _) = run(
        measure(truth, truth, regions_of(truth), declare(truth), model="copy")
    )
    assert row.values["psnr"] == float("inf")
    assert row.values["mae"] == row.values["nmse"] == 0
    assert row.values["ssim"] == pytest.approx(1)


def test_voxels_that_are_not_finite_do_not_count(truth, synthetic, region, run):
    broken = synthetic.data.copy()
    broken[0, 2, 10, 10] = np.nan
    declaration = declare(truth, "as is")
    _, (row,) = run(
        measure(synthetic.with_data(broken), truth, [region], declaration, model="tiny")
    )
    assert row.n_voxels == region.mask.sum() - 1
    assert np.isfinite(list(row.values.values())).all()


def test_resampling_is_said_with_the_numbers(truth, synthetic, region, run):
    moved = synthetic.with_data(synthetic.data, origin=(-10.0, 5.5, 7.0))
    _, (row,) = run(measure(moved, truth, [region], declare(truth), model="tiny"))

    assert row.notes == ("tiny resampled to the grid of the real image.",)


def test_a_region_of_another_shape_is_refused(truth, synthetic, run):
    wrong = Region("box", np.ones((2, 2, 2), bool))
    with pytest.raises(VolumeError, match="region box needs the shape"):
        run(measure(synthetic, truth, [wrong], declare(truth), model="tiny"))
