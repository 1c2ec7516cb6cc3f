import numpy as np
import pytest

from napari_medsynth.engine.metrics import foreground
from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import on_grid_of, regions_of
from napari_medsynth.evaluate.regions import labels_on
from napari_medsynth.io import Volume, same_grid


def test_whole_image_foreground_and_each_label(truth):
    labels = np.zeros(truth.shape, int)
    labels[2, 3:5], labels[4, 7] = 1, 4

    whole, head, one, four = regions_of(truth, {"lesion_mask": labels})

    assert [r.name for r in (whole, head, one, four)] == [
        "whole image",
        "foreground",
        "lesion_mask 1",
        "lesion_mask 4",
    ]
    assert whole.mask.all()
    np.testing.assert_array_equal(head.mask, foreground(truth.data[0]))
    np.testing.assert_array_equal(one.mask, labels == 1)
    np.testing.assert_array_equal(four.mask, labels == 4)


def test_labels_of_another_shape_are_refused(truth):
    with pytest.raises(VolumeError, match="lesions need the shape"):
        regions_of(truth, {"lesions": np.zeros((2, 2, 2), int)})


def test_labels_take_their_nearest_neighbour():
    fine = Volume(np.zeros((1, 4, 4, 4), np.float32), spacing=(1, 1, 1))
    coarse = Volume(
        np.array([[[0, 5], [0, 0]], [[0, 0], [3, 0]]], np.float32)[np.newaxis],
        spacing=(2, 2, 2),
        origin=(0.5, 0.5, 0.5),
    )
    found = labels_on(coarse, fine)

    assert set(np.unique(found)) == {0, 3, 5}
    np.testing.assert_array_equal(found[:2, :2, 2:], 5)
    np.testing.assert_array_equal(found[2:, 2:, :2], 3)
    assert (found == 5).sum() == (found == 3).sum() == 8


def test_labels_outside_of_their_field_of_view_are_0():
    fine = Volume(np.zeros((1, 4, 4, 4), np.float32))
    small = Volume(np.full((1, 2, 2, 2), 7, np.float32))

    assert (labels_on(small, fine) == 7).sum() == 8


def test_an_image_is_no_label_image(truth):
    with pytest.raises(VolumeError, match="whole numbers"):
        labels_on(truth.with_data(truth.data + 0.5), truth)


def test_another_grid_is_resampled_and_said(truth, synthetic):
    coarse = synthetic.with_data(
        np.ascontiguousarray(synthetic.data[:, :, ::2]), spacing=(3.0, 2.0, 1.2)
    )
    found, notes = on_grid_of(truth, coarse, "tiny")

    assert same_grid(found, truth)
    assert notes == ("tiny resampled to the grid of the real image.",)
    assert on_grid_of(truth, synthetic) == (synthetic, ())


def test_several_channels_are_refused(truth, synthetic):
    both = synthetic.with_data(np.repeat(synthetic.data, 2, axis=0))
    with pytest.raises(VolumeError, match="one channel"):
        on_grid_of(truth, both)
