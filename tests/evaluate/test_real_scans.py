"""Numbers of a real subject, computed once more from the files, the long way."""

import nibabel
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from napari_medsynth.evaluate import declare, measure, regions_of
from napari_medsynth.evaluate.regions import labels_on
from napari_medsynth.io import read_volume


def to_unit(image):
    """Percentiles 1 of all and 99.5 of those above the mean become 0 and 1."""
    low = np.percentile(image, 1)
    high = np.percentile(image[image > image.mean()], 99.5)
    return np.clip((image - low) / (high - low), 0, 1)


@pytest.mark.parametrize("moved", [(0, 0, 0), (1, 0, 0)], ids=["equal", "shifted"])
def test_lesions_of_a_real_subject(shared, run, moved):
    folder = shared / "data" / "brain" / "ms_lesjak_p07"
    contrast, truth = (
        np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj, np.float64)
        for name in ("T1ce", "T1")
    )
    lesions = np.asarray(nibabel.load(folder / "lesion_mask.nii.gz").dataobj) > 0
    a, b = to_unit(contrast), to_unit(truth)
    if any(moved):  # a synthesis one voxel off, to see that the number is of the place
        a = np.roll(a, moved, (0, 1, 2))
    error = (a - b)[lesions]
    similar = [
        structural_similarity(
            a[:, :, z],
            b[:, :, z],
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][lesions[:, :, z]]
        for z in np.flatnonzero(lesions.any(axis=(0, 1)))
    ]

    made, real, mask = (
        read_volume(folder / f"{name}.nii.gz") for name in ("T1ce", "T1", "lesion_mask")
    )
    if any(moved):
        axes = made.orientation  # of the file: its first axis is the array's last
        sign = 1 if axes[0] == "L" else -1
        made = made.with_data(np.roll(made.data, sign, axis=3))
    regions = regions_of(real, {"lesion_mask": labels_on(mask, real)})
    _, rows = run(measure(made, real, regions[2:], declare(real), model="T1ce"))
    (row,) = rows

    assert row.region == "lesion_mask 1"
    assert row.n_voxels == lesions.sum() == 1300
    # percentiles of the plug-in are those of every n-th voxel
    tolerance = {"rel": 0.02}
    assert row.values["mae"] == pytest.approx(np.abs(error).mean(), **tolerance)
    assert row.values["rmse"] == pytest.approx(
        np.sqrt(np.square(error).mean()), **tolerance
    )
    assert row.values["psnr"] == pytest.approx(
        -10 * np.log10(np.square(error).mean()), abs=0.2
    )
    assert row.values["nmse"] == pytest.approx(
        np.square(error).sum() / np.square(b[lesions]).sum(), rel=0.04
    )
    assert row.values["ssim"] == pytest.approx(
        np.concatenate(similar).mean(), abs=0.005
    )
