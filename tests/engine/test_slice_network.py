"""Prepared studies and networks that are called with tensors."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import predict, slice_network
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, DeviceMemoryError, EngineError

CARD = ModelCard(
    id="mixer",
    family="resvit",
    task="synthesis",
    title="Mixer",
    factory="tests:Mixer",
    inputs=("T1", "T2", "PD", "FLAIR"),
    outputs=("T1", "T2", "PD", "FLAIR"),
    is_unified=True,
    missing_value=-1.0,
    size_multiple=16,
    spacing=1.0,
)


class Mixer(nn.Module):
    """Every output is the mean of the inputs, as they are padded and masked."""

    def __init__(self, most=99, error=None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.most, self.error, self.sizes = most, error, []

    def forward(self, image):
        self.sizes.append(len(image))
        if len(image) > self.most:
            raise self.error or RuntimeError("DefaultCPUAllocator: not enough memory")
        mean = image.mean(dim=1, keepdim=True) * self.weight
        return mean.expand(-1, 4, -1, -1)

    def __deepcopy__(self, memo):  # fold_batchnorm copies: keep looking at this one
        return self


def last_of(generator):
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def test_slices_run_by_hand_equal_predict(study):
    model = Mixer()
    expected = last_of(
        predict(study, CARD, targets=["FLAIR"], plane="coronal", model=model)
    )
    prepared = prepare_study(study, CARD, targets=["FLAIR"], plane="coronal")
    network = SliceNetwork(CARD, model=model)

    made = prepared.outputs(network(prepared.inputs((20, 21))))
    channel = prepared.channel_of("FLAIR")
    images = prepared.intensities(made[:, channel], "FLAIR")

    np.testing.assert_allclose(
        images, np.moveaxis(expected.volumes["FLAIR"].data[0], 1, 0)[20:22], atol=1e-3
    )
    assert prepared.available == ("T1", "T2", "PD")
    assert prepared.n_slices == 40


def test_a_hidden_source_is_as_good_as_missing(study):
    both = prepare_study(study, CARD, targets=["FLAIR"], sources=["T1", "T2"])
    one = prepare_study(study, CARD, targets=["FLAIR"], sources=["T1"])

    hidden = both.inputs((3,), hidden=["T2"])

    torch.testing.assert_close(hidden, one.inputs((3,)))
    assert (hidden[:, 1:] == -1).all()
    assert not torch.equal(hidden, both.inputs((3,)))


def test_what_the_model_cannot_do_is_refused(study):
    with pytest.raises(CardError, match="cannot make CT"):
        prepare_study(study, CARD, targets=["CT"])


def test_an_empty_slice_is_known(study):
    study["T1"].data[:, 0] = 0
    prepared = prepare_study(study, CARD, targets=["FLAIR"], sources=["T1"])
    assert [prepared.is_empty(i) for i in (0, 3)] == [True, False]


def test_a_batch_without_memory_runs_in_halves():
    model = Mixer(most=2)
    inputs = torch.rand(5, 4, 16, 16)
    made = SliceNetwork(CARD, model=model)(inputs)

    assert model.sizes == [5, 3, 2, 1, 2]
    torch.testing.assert_close(made[:, 0], inputs.mean(dim=1))


def test_one_slice_without_memory_on_the_cpu_is_an_error():
    network = SliceNetwork(CARD, model=Mixer(most=0))
    with pytest.raises(DeviceMemoryError, match="One slice needs more memory"):
        network(torch.rand(1, 4, 16, 16))


def test_a_full_gpu_leaves_the_slice_to_the_cpu(monkeypatch):
    """The "GPU" is simulated: its network fails, the CPU's does not."""
    on = {"mps": Mixer(most=0), "cpu": Mixer()}
    monkeypatch.setattr(slice_network, "choose_device", lambda _: torch.device("mps"))
    monkeypatch.setattr(
        slice_network, "network_for", lambda card, device, precision: on[device.type]
    )
    monkeypatch.setattr(slice_network, "free_memory", lambda device: None)
    network = SliceNetwork(CARD)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    made = network(torch.ones(1, 4, 16, 16))

    assert network.device.type == "cpu"
    assert (made[:, 0] == 1).all()


def tiled_card(**changes):
    return ModelCard.from_json(CARD.to_json() | {"tile": 64, "overlap": 20} | changes)


class Sized(Mixer):
    """Remembers sides, and has no memory for images of more than `largest` pixels."""

    def __init__(self, largest=999):
        super().__init__()
        self.largest, self.sides = largest, []

    def forward(self, image):
        if max(image.shape[2:]) > self.largest:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        self.sides.append(tuple(image.shape[2:]))
        return super().forward(image)


def test_large_images_are_run_in_tiles():
    inputs = torch.rand(2, 4, 160, 96)
    model = Sized()
    made = SliceNetwork(tiled_card(), model=model)(inputs)

    assert set(model.sides) == {(64, 64)}
    torch.testing.assert_close(made[:, 0], inputs.mean(dim=1))
    small = Sized()
    SliceNetwork(tiled_card(), model=small)(inputs[..., :64, :64])
    assert small.sides == [(64, 64)]


def test_gradients_flow_through_the_whole_image():
    inputs = torch.rand(1, 4, 160, 96, requires_grad=True)
    model = Sized()
    SliceNetwork(tiled_card(), model=model).run(inputs).sum().backward()

    assert model.sides == [(160, 96)]
    assert inputs.grad.abs().min() > 0


def test_tiles_without_memory_are_halved():
    inputs = torch.rand(1, 4, 160, 96)
    model = Sized(largest=48)
    made = SliceNetwork(tiled_card(tile=96), model=model)(inputs)

    assert set(model.sides) == {(48, 48)}
    torch.testing.assert_close(made[:, 0], inputs.mean(dim=1))
    with pytest.raises(DeviceMemoryError):
        SliceNetwork(tiled_card(), model=Sized(largest=8))(inputs)


def test_other_failures_are_one_sentence():
    model = Mixer(most=0, error=RuntimeError("shapes cannot be multiplied\nmore"))
    with pytest.raises(EngineError, match=r"failed on cpu \(fp32\): .* multiplied$"):
        SliceNetwork(CARD, model=model)(torch.rand(1, 4, 16, 16))


def test_a_given_model_is_evaluated_and_left_in_training_mode():
    model = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(4, 4, 1))
    network = SliceNetwork(CARD, model=model.train())
    inputs = torch.rand(1, 4, 16, 16)

    torch.testing.assert_close(network(inputs), network(inputs))
    assert model.training


def test_gradients_reach_the_input():
    network = SliceNetwork(CARD, model=nn.Conv2d(4, 4, 1))
    inputs = torch.rand(1, 4, 16, 16, requires_grad=True)
    network.run(inputs).sum().backward()
    assert inputs.grad is not None and inputs.grad.abs().max() > 0
