import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import predict
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.io import Study, Volume


def card_of(*inputs, neighbours=1, outputs=("PD",), **changes):
    return ModelCard(
        id="near",
        family="pgan",
        task="synthesis",
        title="Near",
        factory="tests:Weigh",
        inputs=inputs,
        outputs=outputs,
        neighbours=neighbours,
        size_multiple=4,
        intensity={"*": {"kind": "window", "low": 0, "high": 100}},
        **changes,
    )


def ramp(step, axis=1):
    """A volume of 5 x 6 x 7 whose slices have the values 10, 10 + step, ..."""
    index = np.indices((1, 5, 6, 7))[axis]
    return Volume((10 + step * index).astype(np.float32))


class Weigh(nn.Module):
    """The sum of the channels, weighted 1, 10, 100, ..."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, image):
        self.shapes.append(tuple(image.shape))
        weights = 10.0 ** torch.arange(image.shape[1])
        return (image * weights[:, None, None]).sum(1, keepdim=True) / 1e4


def shown(images):
    """Intensities (N, C) of images that are each of one value."""
    values = (images + 1) * 50
    assert (values == values[..., :1, :1]).all()
    return np.round(values[..., 0, 0], 3).tolist()


def test_slices_below_and_above_are_further_channels():
    prepared = prepare_study(
        Study({"T1": ramp(1), "T2": ramp(2)}), card_of("T1", "T2"), targets=["PD"]
    )
    images = prepared.sources.images((2,), 0)

    assert shown(images) == [[11, 12, 13, 12, 14, 16]]


def test_the_last_slice_is_repeated_at_either_end():
    prepared = prepare_study(Study({"T1": ramp(1)}), card_of("T1", neighbours=2))
    images = prepared.sources.images((0, 3, 4), 0)

    assert shown(images) == [
        [10, 10, 10, 11, 12],
        [11, 12, 13, 14, 14],
        [12, 13, 14, 14, 14],
    ]


@pytest.mark.parametrize(("plane", "axis"), [("coronal", 2), ("sagittal", 3)])
def test_neighbours_lie_along_the_axis_of_the_plane(plane, axis):
    prepared = prepare_study(
        Study({"T1": ramp(1, axis)}), card_of("T1"), plane=plane, targets=["PD"]
    )

    assert shown(prepared.sources.images((3,), axis - 1)) == [[12, 13, 14]]


def test_without_neighbours_all_is_as_it_was():
    prepared = prepare_study(Study({"T1": ramp(1)}), card_of("T1", neighbours=0))

    assert shown(prepared.sources.images((1, 2), 0)) == [[11], [12]]


def test_what_is_missing_is_missing_in_all_its_slices():
    names = ("T1", "T2", "PD")
    card = card_of(*names, outputs=names, is_unified=True, missing_value=-1)
    study = Study({"T1": ramp(1), "PD": ramp(3)})
    prepared = prepare_study(study, card, targets=["T2"])

    assert prepared.sources.missing == (3, 4, 5)
    inputs = prepared.inputs((1,))
    assert inputs.shape == (1, 9, 8, 8)
    inside = inputs[0, :, 2, 2]
    assert ((inside + 1) * 50).round().tolist() == [10, 11, 12, 0, 0, 0, 10, 13, 16]
    hidden = prepared.inputs((1,), hidden=("PD",))[0, :, 2, 2]
    assert ((hidden + 1) * 50).round().tolist() == [10, 11, 12, *[0] * 6]


def test_prediction_weighs_neighbours():
    study = Study({"T1": ramp(5)})
    model = Weigh()
    result = exhausted(predict(study, card_of("T1"), model=model))
    made = result.volumes["PD"].data[0, :, 3, 3]

    value = 10 + 5 * np.arange(5)
    padded = np.pad(value, 1, mode="edge") / 50 - 1
    expected = (padded[:-2] + 10 * padded[1:-1] + 100 * padded[2:]) / 1e4
    np.testing.assert_allclose(made, (expected + 1) * 50, rtol=1e-4)
    assert {shape[1] for shape in model.shapes} == {3}
    assert result.provenance["missing"] == []


def test_training_shows_the_same_channels(tmp_path):
    """What a network learned in training is what it is shown later."""
    from napari_medsynth.io import write_volume
    from napari_medsynth.training.config import TrainConfig
    from napari_medsynth.training.data.samples import Subject
    from napari_medsynth.training.data.slices import RealSlices

    study = Study({"T1": ramp(7), "PD": ramp(3)})
    files = {}
    for name in ("T1", "PD"):
        files[name] = tmp_path / f"{name}.nii.gz"
        write_volume(study[name], files[name])
    card = card_of("T1", neighbours=1)
    slices = RealSlices(Subject("one", files), card, TrainConfig(affine=0, intensity=0))
    sample = slices.draw("axial", 3, None)
    images = prepare_study(study, card, targets=["PD"]).sources.images((3,), 0)

    np.testing.assert_allclose(sample.images[:3], images[0], atol=1e-4)
