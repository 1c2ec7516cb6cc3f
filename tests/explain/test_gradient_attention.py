"""Relevance, against gradients of a chain of matrices written out in numpy."""

import numpy as np
import pytest
import torch

from explain.tiny_resvit import CARD, resvit
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.explain import record_slice, relevance
from napari_medsynth.explain.query import Query


@pytest.fixture
def record(prepared, network):
    return record_slice(prepared, network, 2)


def tokens_of(image, side=8):
    """(T, side * side) of an image (H, W)."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    cut = image.reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
    return cut.reshape(rows * columns, side * side)


def by_hand(record, matrices, pixels, block):
    """Chefer's rule with the analytic gradients of W . (A6 ... A1 X)."""
    heads = [layer for layers in matrices.values() for layer in layers]
    means = [layer.mean(axis=0) for layer in heads]
    x = tokens_of(record.inputs[0].mean(dim=0).numpy().astype(np.float64))
    asked = tokens_of(pixels / pixels.sum())
    relevances = np.eye(12)
    start = 3 * list(matrices).index(block)
    for number in range(start, start + 3):
        before = x
        for mean in means[:number]:
            before = mean @ before
        after = asked
        for mean in reversed(means[number + 1 :]):
            after = mean.T @ after
        gradient = after @ before.T / 2  # two heads share each mean
        weighted = np.mean([np.maximum(gradient * A, 0) for A in heads[number]], axis=0)
        relevances = relevances + weighted @ relevances
    shares = asked.sum(axis=1)
    return shares @ (relevances - np.eye(12))


@pytest.mark.parametrize("block", ["art_1", "art_6"])
def test_it_is_the_published_rule(block, record, network, matrices):
    pixels = np.zeros((24, 32), bool)
    pixels[6:12, 3:20] = True  # some of several tokens
    found = relevance(record, network, Query(pixels), block=block)
    expected = by_hand(record, matrices, pixels.astype(float), block)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-4, atol=1e-9)
    assert found.max() > 0


def test_without_a_query_the_whole_slice_asks(record, network, matrices):
    found = relevance(record, network, block="art_6")
    expected = by_hand(record, matrices, np.ones((24, 32)), "art_6")
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-4, atol=1e-9)


def test_all_blocks_are_their_mean(record, network):
    each = [relevance(record, network, block=name) for name in record.blocks]
    np.testing.assert_allclose(relevance(record, network), np.mean(each, axis=0))


def test_a_transformer_tells_where_its_gradients_flow(pair):
    network = SliceNetwork(CARD, model=resvit("batch"))
    prepared = prepare_study(pair, CARD)
    record = record_slice(prepared, network, 1)
    found = relevance(record, network)
    assert found.shape == record.grid == (2, 2)
    assert (found >= 0).all() and found.max() > 0
    # the network is as it was
    assert not any(p.requires_grad for p in network.network.parameters())
    again = record_slice(prepared, network, 1)
    np.testing.assert_array_equal(again.made, record.made)


def test_it_runs_inside_of_inference_mode(record, network):
    expected = relevance(record, network)
    with torch.inference_mode():
        inside = record_slice(record.prepared, network, 2)
    np.testing.assert_array_equal(relevance(inside, network), expected)


def test_a_block_that_does_not_exist_is_refused(record, network):
    with pytest.raises(EngineError, match="art_1, art_6, not in 'art_2'"):
        relevance(record, network, block="art_2")


def test_a_model_without_attention_is_refused(prepared, card):
    network = SliceNetwork(card, model=torch.nn.Conv2d(2, 1, 1))
    with pytest.raises(CardError, match="choose a gradient method"):
        relevance(record_slice(prepared, network, 0), network)
