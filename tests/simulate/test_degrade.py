"""Worse images of good ones: positions, values, noise, and the way back."""

import numpy as np
import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.simulate import check_spec, degrade, factor_of, presented
from napari_medsynth.simulate.downsample import bicubic_reduction, cubic_enlargement

REDUCTIONS = ("area", "bicubic", "kspace", "gaussian", "box")


def spec_of(name, factor, **others):
    if name in ("gaussian", "box"):
        return {
            "kind": "thick-slices",
            "factor": [factor, 1],
            "profile": name,
            **others,
        }
    return {"kind": "downsample", "factor": [factor] * 2, "method": name, **others}


def blob(shape, centre, width=7.0):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return np.exp(-distance / (2 * width**2)).astype(np.float32)


def centre_of_mass(image, factor):
    """(row, column) [fine pixel] of an image whose pixels are `factor` fine ones."""
    total = image.sum(dtype=np.float64)
    rows, columns = (
        np.arange(n) * f + (f - 1) / 2 for n, f in zip(image.shape, factor, strict=True)
    )
    return image.sum(axis=1) @ rows / total, image.sum(axis=0) @ columns / total


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("n_coarse", [(32, 33), (33, 32)])
def test_nothing_moves(name, factor, n_coarse, rng):
    spec = spec_of(name, factor)
    rows, columns = factor_of(spec)
    shape = (n_coarse[0] * rows, n_coarse[1] * columns)
    centre = (shape[0] / 2 + 1.3, shape[1] / 2 - 2.1)

    coarse = degrade(blob(shape, centre, min(shape) / 13), spec, rng)

    assert coarse.shape == n_coarse
    np.testing.assert_allclose(
        centre_of_mass(coarse, (rows, columns)), centre, atol=0.01
    )


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_does_not_fill_a_pixel_is_cut_off_at_the_end(name, rng):
    image = blob((66, 71), (30, 32))

    spec = spec_of(name, 4)
    coarse = degrade(image, spec, rng)
    whole = image[:64, : 68 if factor_of(spec)[1] == 4 else 71]
    same = degrade(whole, spec, rng)

    np.testing.assert_array_equal(coarse, same)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("factor", [2, 3])
def test_a_flat_image_stays_flat(name, factor, rng):
    coarse = degrade(np.full((30, 36), 7, np.float32), spec_of(name, factor), rng)

    np.testing.assert_allclose(coarse, 7, rtol=1e-5)
    assert coarse.dtype == np.float32


def test_area_is_the_mean_of_the_block(rng):
    image = np.array([[1, 3, 0, 0], [5, 7, 0, 8]], np.float32)

    np.testing.assert_array_equal(degrade(image, spec_of("area", 2), rng), [[4, 2]])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_is_that_of_pillow_inside(factor, rng):
    image = pytest.importorskip("PIL.Image")
    fine = rng.random((12 * factor, 15 * factor), dtype=np.float32)
    small = image.fromarray(fine).resize((15, 12), image.Resampling.BICUBIC)

    found = degrade(fine, spec_of("bicubic", factor), rng)

    np.testing.assert_allclose(
        found[2:-2, 2:-2], np.asarray(small)[2:-2, 2:-2], atol=2e-6
    )


def test_bicubic_mirrors_at_the_edge():
    ramp = np.arange(8, dtype=np.float32)[:, np.newaxis]
    mirrored = np.concatenate([ramp[::-1], ramp, ramp[::-1]])

    inner = bicubic_reduction(mirrored, 2, 0)[4:8]

    np.testing.assert_allclose(bicubic_reduction(ramp, 2, 0), inner, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_kspace_keeps_the_waves_that_a_coarse_scan_measures(factor, rng):
    n = 24 * factor
    x = np.arange(n)
    centres = np.arange(24) * factor + (factor - 1) / 2

    def image(waves, at):
        return 2 + np.cos(2 * np.pi * waves * at / n + 0.4) + np.zeros((24, 1))

    spec = {"kind": "downsample", "factor": [1, factor], "method": "kspace"}
    kept = degrade(image(5, x), spec, rng)
    lost = degrade(image(15, x), spec, rng)  # 12 is the highest of 24 samples

    np.testing.assert_allclose(kept, image(5, centres), atol=1e-5)
    np.testing.assert_allclose(lost, 2, atol=1e-5)


def test_kspace_rings_at_an_edge_and_area_does_not(rng):
    edge = np.ones((8, 128), np.float32)
    edge[:, 40:81] = 4
    spec = {"kind": "downsample", "factor": [1, 4], "method": "kspace"}

    assert degrade(edge, spec, rng).max() > 4.1
    assert degrade(edge, {**spec, "method": "area"}, rng).max() == 4


@pytest.mark.parametrize("factor", [3, 4])
def test_the_profile_of_a_slice_has_the_thickness_at_half_maximum(factor, rng):
    response = []
    for offset in range(factor * 9):  # a thin sheet at each fine slice
        image = np.zeros((factor * 9, 4), np.float32)
        image[offset] = 1
        response.append(degrade(image, spec_of("gaussian", factor), rng)[4, 0])
    distance = np.arange(factor * 9) - (4 * factor + (factor - 1) / 2)
    expected = np.exp(-4 * np.log(2) * (distance / factor) ** 2)

    np.testing.assert_allclose(response, expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "mean", "spread"),
    [
        ("area", 0, 1),
        ("bicubic", 0, 1),
        ("kspace", np.sqrt(np.pi / 2), np.sqrt(2 - np.pi / 2)),
        ("gaussian", np.sqrt(np.pi / 2), np.sqrt(2 - np.pi / 2)),
    ],
)
def test_noise_is_a_share_of_the_bright_parts(name, mean, spread, rng):
    image = np.zeros((400, 400), np.float32)
    image[-100:] = 50

    coarse = degrade(image, spec_of(name, 2, noise=0.04), rng)
    air = coarse[: len(coarse) // 2]  # Rayleigh in a magnitude image
    bright = coarse[-len(coarse) // 8 :]

    assert abs(air.mean() - 2 * mean) < 0.06
    assert abs(air.std() - 2 * spread) < 0.06
    assert abs(bright.std() - 2) < 0.1


def test_rician_noise_of_a_share(rng):
    image = np.full((200, 200), 30, np.float32)

    noisy = degrade(image, {"kind": "rician", "sigma": 0.1}, rng)

    assert abs(np.square(noisy).mean() - (30**2 + 2 * 3**2)) < 5
    assert noisy.shape == image.shape


def test_numbers_are_drawn_from_a_range(rng):
    image = np.full((64, 64), 10, np.float32)
    spec = {"kind": "rician", "sigma": [0.01, 0.05]}

    spreads = [degrade(image, spec, rng).std() / 10 for _ in range(60)]

    assert 0.009 < min(spreads) < 0.016
    assert 0.044 < max(spreads) < 0.053


@pytest.mark.parametrize(
    "spec",
    [
        spec_of("area", 2, noise=[0, 0.1]),
        spec_of("kspace", 2, noise=0.1),
        {"kind": "rician", "sigma": 0.1},
        {"kind": "low-dose", "dose": [0.1, 0.3]},
    ],
)
def test_equal_generators_give_equal_images(spec):
    image = blob((40, 44), (20, 20)) * 100
    one, same, other = (
        degrade(image, spec, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "spec",
    [
        spec_of("bicubic", 2, noise=0.01),
        spec_of("kspace", 2),
        spec_of("gaussian", 2),
        {"kind": "rician", "sigma": 0.1},
        {"kind": "low-dose", "dose": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_holes_do_not_spread(spec, bad, rng):
    image = blob((40, 40), (20, 20))
    image[3, 5] = bad

    assert np.isfinite(degrade(image, spec, rng)).all()
    assert np.isfinite(degrade(np.full((8, 8), np.nan), spec, rng)).all()


def test_the_input_is_not_changed(rng):
    image = blob((40, 40), (20, 20))
    before = image.copy()
    for spec in (spec_of("area", 2, noise=0.1), {"kind": "low-dose", "dose": 0.1}):
        degrade(image, spec, rng)

    np.testing.assert_array_equal(image, before)


def test_a_network_that_enlarges_sees_each_pixel_repeated():
    coarse = np.array([[1, 2], [3, 4]], np.float32)

    fine = presented(coarse, spec_of("area", 2), scale=2)

    np.testing.assert_array_equal(fine[0], [1, 1, 2, 2])
    np.testing.assert_array_equal(fine[:, 3], [2, 2, 4, 4])


def test_bicubic_enlargement_is_that_of_pillow_inside(rng):
    image = pytest.importorskip("PIL.Image")
    coarse = rng.random((9, 11), dtype=np.float32)
    large = image.fromarray(coarse).resize((33, 27), image.Resampling.BICUBIC)

    fine = presented(coarse, spec_of("bicubic", 3), scale=1)

    np.testing.assert_allclose(
        fine[6:-6, 6:-6], np.asarray(large)[6:-6, 6:-6], atol=2e-6
    )


def test_a_ramp_comes_back_as_a_ramp_with_replicated_ends():
    ramp = np.arange(10, dtype=np.float32)[:, np.newaxis].repeat(3, axis=1)

    fine = presented(ramp, spec_of("box", 4), scale=1)

    expected = (np.arange(40) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(fine[8:-8, 1], expected[8:-8], atol=1e-5)
    assert fine.shape == (40, 3)
    assert abs(fine[0, 0]) < 0.1


def test_any_size_covers_the_same_area():
    smooth = blob((30, 30), (14, 17), 4)

    fine = cubic_enlargement(smooth, 77, 0)
    position = (np.arange(77) + 0.5) * 30 / 77 - 0.5

    found = (fine.sum(axis=1) * position).sum() / fine.sum()
    assert abs(found - 14) < 0.01


@pytest.mark.parametrize(
    "spec", [{"kind": "rician", "sigma": 0.1}, {"kind": "low-dose", "dose": 0.5}]
)
def test_what_is_on_its_grid_is_shown_as_it_is(spec):
    image = np.ones((5, 6), np.float32)

    assert factor_of(spec) == (1, 1)
    assert presented(image, spec, scale=1) is image


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "kind must be one of downsample, thick-slices, low-dose, rician"),
        ({"kind": "blur"}, "got 'blur'"),
        ({"kind": "downsample"}, "factor"),
        (spec_of("area", 0), "1 or more"),
        (spec_of("area", 2.5), "whole"),
        (spec_of("lanczos", 2), "method .* area, bicubic, kspace, got 'lanczos'"),
        (spec_of("area", 2, noise=-1), "noise .* from 0"),
        (spec_of("area", 2, noise=[0.3, 0.1]), r"noise .* \[0.3, 0.1\]"),
        (spec_of("area", 2, noise=True), "number"),
        (spec_of("area", 2, nois=0.1), "no 'nois'"),
        ({"kind": "thick-slices", "factor": [3, 3]}, r"\[f, 1\]"),
        ({"kind": "low-dose"}, "dose"),
        ({"kind": "low-dose", "dose": 2}, "dose .* to 1"),
        ({"kind": "rician", "sigma": "much"}, "'much'"),
        ({"kind": "rician", "sigma": float("nan")}, "nan"),
    ],
)
def test_a_wrong_degradation_is_a_sentence(spec, words):
    with pytest.raises(CardError, match=words) as caught:
        check_spec(spec)
    assert str(caught.value).endswith(".")


def test_misfits_are_sentences(rng):
    with pytest.raises(CardError, match="at least that size, got"):
        degrade(np.zeros((3, 9), np.float32), spec_of("area", 4), rng)
    with pytest.raises(CardError, match=r"scale 4 .* \[4, 4\], got \[2, 2\]"):
        presented(np.zeros((3, 9), np.float32), spec_of("area", 2), scale=4)
