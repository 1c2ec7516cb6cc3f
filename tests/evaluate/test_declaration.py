import numpy as np
import pytest
import skimage

import napari_medsynth
from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import declare


def test_percentiles_map_each_image_by_itself(truth):
    declaration = declare(truth)
    image = truth.data[0]
    low = np.percentile(image, 1)
    high = np.percentile(image[image > image.mean()], 99.5)
    expected = np.clip((image - low) / (high - low), 0, 1)

    np.testing.assert_allclose(declaration.scale(image), expected, atol=1e-6)
    np.testing.assert_allclose(
        declaration.scale(7 * image + 3), expected, atol=1e-5
    )  # a synthesis has a unit of its own
    assert (declaration.low, declaration.high) == pytest.approx((low, high))
    assert declaration.data_range == 1


def test_a_window_clips_and_keeps_the_unit(truth):
    declaration = declare(truth, "window", (-100.0, 300.0))
    scaled = declaration.scale(np.array([-500, -100, 0, 300, 900.0, np.nan]))

    np.testing.assert_allclose(scaled, [0, 0, 100, 400, 400, 0], atol=1e-4)
    assert declaration.data_range == 400


def test_as_is_touches_nothing(truth):
    declaration = declare(truth, "as is")

    np.testing.assert_array_equal(declaration.scale(truth.data), truth.data)
    assert declaration.data_range == truth.data.max() - truth.data.min()


def test_it_says_all_of_it(truth):
    declaration = declare(truth, "window", (0, 80))

    for part in ("0 to 80", "data range 80", "clipped", "images' unit"):
        assert part in declaration.sentence
    assert f"napari-medsynth {napari_medsynth.__version__}" in declaration.sentence
    assert declaration.versions["scikit-image"] == skimage.__version__
    assert declaration.versions["numpy"] == np.__version__
    assert declaration.to_json()["kind"] == "window"


def test_numbers_are_written_with_four_digits(truth):
    data = np.linspace(-0.0015, 123.4134, truth.data.size, dtype=np.float32)
    declaration = declare(truth.with_data(data.reshape(truth.data.shape)), "as is")

    assert "spans 0 to 123.4)" in declaration.sentence
    assert "data range 123.4;" in declaration.sentence
    assert "-1024 to 3071" in declare(truth, "window", (-1024, 3071)).sentence


@pytest.mark.parametrize("window", [None, (3, 3), (5, 1), (0, np.inf)])
def test_a_wrong_window_is_refused(truth, window):
    with pytest.raises(VolumeError, match="two rising numbers"):
        declare(truth, "window", window)


def test_a_constant_image_has_no_range(truth):
    with pytest.raises(VolumeError, match="two values"):
        declare(truth.with_data(np.ones_like(truth.data)), "as is")


def test_an_unknown_scaling_is_refused(truth):
    with pytest.raises(VolumeError, match="percentile, window, as is"):
        declare(truth, "zscore")
