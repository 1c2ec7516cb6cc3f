"""Maps by gradients, against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import DeviceMemoryError, EngineError
from napari_medsynth.explain import (
    gradient_times_input,
    integrated_gradients,
    occlusion,
    query_at,
    record_slice,
)
from napari_medsynth.explain.differentiable import differentiable
from napari_medsynth.explain.query import Query
from napari_medsynth.models.blocks import SliceNorm2d, set_norm_statistics


class Formula(nn.Module):
    """Any function of the image; one number that is not used."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, image):
        return self.function(image)


def linear(image):
    return 0.5 * image[:, :1] - 0.25 * image[:, 1:2] + 3


def product(image):
    return (image[:, :1] + 1) * (image[:, 1:2] + 1)


@pytest.fixture
def run(prepared, card):
    """Give record and network of a function."""

    def build(function, prepared=prepared):
        model = function if isinstance(function, nn.Module) else Formula(function)
        network = SliceNetwork(card, model=model)
        return record_slice(prepared, network, 2), network

    return build


@pytest.fixture
def query():
    pixels = np.zeros((24, 32), bool)
    pixels[5:9, 11:14] = True
    return Query(pixels)


METHODS = [gradient_times_input, integrated_gradients]


@pytest.mark.parametrize("method", METHODS)
def test_of_a_linear_model_they_are_its_terms(method, run, query):
    record, network = run(linear)
    found = method(record, network, query)
    above = record.inputs[0].numpy() + 1
    share = query.pixels / query.pixels.sum()
    np.testing.assert_allclose(found.maps["T1"], 0.5 * share * above[0], atol=1e-7)
    np.testing.assert_allclose(found.maps["T2"], -0.25 * share * above[1], atol=1e-7)
    expected = (share * (0.5 * above[0] - 0.25 * above[1])).sum()
    assert found.total == pytest.approx(expected, rel=1e-4)
    assert found.delta == pytest.approx(0, abs=1e-5)


def test_of_a_product_only_integration_is_complete(run):
    record, network = run(product)
    above = record.inputs[0].numpy() + 1
    half = above[0] * above[1] / 2 / (24 * 32)
    integrated = integrated_gradients(record, network)
    np.testing.assert_allclose(integrated.maps["T1"], half, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(integrated.maps["T2"], half, rtol=1e-4, atol=1e-8)
    assert integrated.delta == pytest.approx(0, abs=1e-4)
    simple = gradient_times_input(record, network)
    np.testing.assert_allclose(simple.maps["T1"], 2 * half, rtol=1e-4, atol=1e-8)
    assert simple.delta == pytest.approx(simple.total, rel=1e-3)  # counted twice
    np.testing.assert_allclose(simple.strength, 4 * half, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("n_steps", [2, 16])
def test_integration_of_a_cubic_needs_two_points(n_steps, run):
    record, network = run(lambda image: (image[:, :1] + 1) ** 3)
    found = integrated_gradients(record, network, n_steps=n_steps)
    above = record.inputs[0, 0].numpy() + 1
    np.testing.assert_allclose(found.maps["T1"], above**3 / 768, rtol=1e-4, atol=1e-8)


def test_a_missing_source_has_no_map_and_takes_no_part(pair, card, run):
    three = ("T1", "T2", "FLAIR")
    unified = replace(card, inputs=three, outputs=three, is_unified=True)
    unified = replace(unified, missing_value=0.0)
    prepared = prepare_study(pair, unified, targets=("FLAIR",), sources=("T2",))
    record, network = run(lambda image: product(image).expand(-1, 3, -1, -1), prepared)
    found = integrated_gradients(record, network)
    assert list(found.maps) == ["T2"]
    # T1 stays at 0, 1 above background: the product is linear in T2
    above = record.inputs[0, 1].numpy() + 1
    np.testing.assert_allclose(found.maps["T2"], above / 768, rtol=1e-4, atol=1e-8)


class Normed(nn.Module):
    """A weighted norm of the statistics of each slice."""

    def __init__(self):
        super().__init__()
        self.norm = SliceNorm2d(2)
        self.norm.weight.data = torch.tensor([2.0, 3.0])
        set_norm_statistics(self, "batch")
        self.eval()

    def forward(self, image):
        return self.norm(image).sum(dim=1, keepdim=True)


def test_norms_of_the_slice_are_constant_scales(run, query):
    record, network = run(Normed())
    share = query.pixels / query.pixels.sum()
    images = record.inputs[0].numpy()
    for method in METHODS:
        found = method(record, network, query)
        for name, weight, image in zip(("T1", "T2"), (2, 3), images, strict=True):
            scale = weight / np.sqrt(image.var() + 1e-5)
            expected = share * scale * (image + 1)
            np.testing.assert_allclose(found.maps[name], expected, rtol=1e-4, atol=1e-7)
        assert found.delta == pytest.approx(0, abs=1e-4)
    assert network.network.norm.statistics == "slice"  # only the copy changed


def test_the_copy_makes_the_same(run):
    record, network = run(Normed())
    copy = differentiable(network, record.inputs)
    made = record.prepared.outputs(copy(record.inputs).detach())
    np.testing.assert_allclose(made[0], record.made, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_second_target_is_another_question(method, pair, card):
    two = replace(card, outputs=("FLAIR", "PD"))
    prepared = prepare_study(pair, two)
    model = Formula(lambda image: torch.cat([image[:, :1], 2 * image[:, 1:2]], 1))
    network = SliceNetwork(two, model=model)
    record = record_slice(prepared, network, 0)
    first, second = (method(record, network, target=t) for t in ("", "PD"))
    above = record.inputs[0].numpy() + 1
    np.testing.assert_allclose(first.maps["T1"], above[0] / 768, atol=1e-7)
    assert not first.maps["T2"].any() and not second.maps["T1"].any()
    np.testing.assert_allclose(second.maps["T2"], 2 * above[1] / 768, atol=1e-7)


def test_padding_is_cropped(pair, card, run):
    prepared = prepare_study(pair, replace(card, size_multiple=32))
    record, network = run(linear, prepared)
    assert record.inputs.shape[-2:] == (32, 32)
    found = gradient_times_input(record, network)
    above = record.inputs[0, 0, 4:28].numpy() + 1
    np.testing.assert_allclose(found.maps["T1"], 0.5 * above / 768, atol=1e-7)


def test_occlusion_is_what_the_output_loses(run, query):
    record, network = run(lambda image: image[:, :1] + image.mean(dim=(1, 2, 3)))
    found = occlusion(record, network, query)
    above = record.inputs[0].numpy() + 1
    everywhere = (query.pixels * above).sum() / above.size
    expected = everywhere + query.pixels * above[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_place_smaller_than_a_pixel_is_one(pair, card, run):
    prepared = prepare_study(pair, replace(card, spacing=2.0))
    record, network = run(linear, prepared)
    found = occlusion(record, network, query_at(prepared, 12, 12))
    assert np.abs(found).max() > 0.01
    assert np.count_nonzero(np.abs(found) > 1e-6) < 100


def test_out_of_memory_is_a_sentence(run):
    record, network = run(linear)

    def hungry(image):
        raise torch.OutOfMemoryError("CUDA out of memory")

    network.network.function = hungry
    with pytest.raises(DeviceMemoryError, match="without gradients"):
        gradient_times_input(record, network)


def test_a_failure_is_a_sentence(run):
    record, network = run(linear)
    network.network.function = lambda image: image @ image[..., :5]
    with pytest.raises(EngineError, match="gradients could not be computed"):
        integrated_gradients(record, network)
