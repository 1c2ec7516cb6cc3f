import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import Region, declare, regions_of, slice_profile


def test_one_number_per_slice_and_none_where_the_region_is_absent(truth, synthetic):
    mask = np.zeros(truth.shape, bool)
    mask[1, 5:20, 5:30] = mask[4, 10:20, 5:30] = True
    declaration = declare(truth, "as is")
    found = slice_profile(
        synthetic, truth, Region("box", mask), declaration, metric="psnr"
    )
    expected = [
        peak_signal_noise_ratio(
            truth.data[0, i][mask[i]].astype(float),
            synthetic.data[0, i][mask[i]].astype(float),
            data_range=declaration.data_range,
        )
        for i in (1, 4)
    ]
    assert found.shape == (6,)
    np.testing.assert_allclose(found[[1, 4]], expected)
    assert np.isnan(found[[0, 2, 3, 5]]).all()


@pytest.mark.parametrize(("plane", "axis"), [("coronal", 1), ("sagittal", 2)])
def test_other_planes(truth, synthetic, plane, axis):
    declaration = declare(truth, "as is")
    whole = regions_of(truth)[0]
    found = slice_profile(
        synthetic, truth, whole, declaration, metric="mae", plane=plane
    )
    others = tuple(i for i in range(3) if i != axis)
    expected = np.abs(synthetic.data[0] - truth.data[0]).mean(axis=others)

    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_metric_that_needs_larger_slices_is_not_a_number(truth, synthetic):
    whole, declaration = regions_of(truth)[0], declare(truth)
    for metric, plane in (("ms_ssim", "axial"), ("ssim", "coronal")):
        found = slice_profile(
            synthetic, truth, whole, declaration, metric=metric, plane=plane
        )
        assert np.isnan(found).all()


def test_unknown_words_are_refused(truth, synthetic):
    arguments = (synthetic, truth, regions_of(truth)[0], declare(truth))
    with pytest.raises(VolumeError, match="axial, coronal, sagittal"):
        slice_profile(*arguments, metric="psnr", plane="oblique")
    with pytest.raises(VolumeError, match="mae, rmse"):
        slice_profile(*arguments, metric="lpips")
