"""Maps of a model whose attention is known, against matrix products in numpy."""

from functools import reduce

import numpy as np
import pytest

from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.explain import MapSource, Query, attention_map, query_at
from napari_medsynth.explain.record import place_maps, record_slice


@pytest.fixture
def record(prepared, network):
    return record_slice(prepared, network, 2)


def joined(layers, method):
    """The T x T matrix of a block, the long way."""
    if method == "mean":
        return layers.mean(axis=0)
    if method == "rollout":
        layers = 0.5 * (layers + np.eye(layers.shape[-1]))
    return reduce(lambda done, layer: layer @ done, layers)


def at_token(number, grid=(3, 4), side=8):
    """A query that covers exactly one token."""
    pixels = np.zeros((grid[0] * side, grid[1] * side), bool)
    row, column = divmod(number, grid[1])
    pixels[row * side : (row + 1) * side, column * side : (column + 1) * side] = True
    return Query(pixels)


def test_a_record_keeps_every_layer_and_head(record, matrices):
    assert record.blocks == ("art_1", "art_6")
    assert record.grid == (3, 4)
    assert record.made.shape == (1, 24, 32)
    for name, layers in matrices.items():
        for kept, layer in zip(record.layers[name], layers, strict=True):
            np.testing.assert_allclose(kept, layer, rtol=1e-6)


@pytest.mark.parametrize("method", ["rollout", "chain", "mean"])
@pytest.mark.parametrize("block", ["art_1", "art_6"])
def test_where_it_looked_is_a_row_and_who_looked_a_column(
    method, block, record, matrices
):
    matrix = joined(matrices[block].mean(axis=1), method)
    source = MapSource(method, block)

    row = attention_map(record, source, at_token(5))
    column = attention_map(record, source, at_token(5), is_reverse=True)

    np.testing.assert_allclose(row.ravel(), matrix[5], rtol=1e-5)
    np.testing.assert_allclose(column.ravel(), matrix[:, 5], rtol=1e-5)
    assert row.sum() == pytest.approx(1, rel=1e-5)
    assert column.max() <= 1


def test_without_a_query_every_token_asks(record, matrices):
    matrix = joined(matrices["art_6"].mean(axis=1), "rollout")
    found = attention_map(record, MapSource("rollout", "art_6"))
    np.testing.assert_allclose(found.ravel(), matrix.mean(axis=0), rtol=1e-5)


def test_one_head_and_one_layer(record, matrices):
    head = attention_map(record, MapSource("head", "art_1", 2, 1), at_token(0))
    layer = attention_map(record, MapSource("layer", "art_1", 2), at_token(0))
    np.testing.assert_allclose(head.ravel(), matrices["art_1"][2, 1, 0], rtol=1e-5)
    expected = matrices["art_1"][2, :, 0].mean(axis=0)
    np.testing.assert_allclose(layer.ravel(), expected, rtol=1e-5)


def test_all_blocks_are_their_mean(record):
    both = attention_map(record, MapSource("mean"), at_token(3))
    each = [
        attention_map(record, MapSource("mean", b), at_token(3)) for b in record.blocks
    ]
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-6)


def test_a_region_asks_with_all_its_tokens(record, matrices):
    pixels = at_token(1).pixels | at_token(2).pixels
    found = attention_map(record, MapSource("mean", "art_1"), Query(pixels))
    matrix = matrices["art_1"].mean(axis=(0, 1))
    np.testing.assert_allclose(found.ravel(), matrix[1:3].mean(axis=0), rtol=1e-5)


def test_a_click_asks_with_the_token_that_contains_it(prepared):
    tokens = query_at(prepared, 9.0, 17.0).tokens(prepared, (3, 4))
    assert tokens[1, 2] == 1 and tokens.sum() == 1


def test_a_click_outside_the_slice_is_refused(prepared):
    with pytest.raises(EngineError, match="outside the image"):
        query_at(prepared, 24.0, 3.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (MapSource("flow"), "must be one of rollout"),
        (MapSource("mean", "art_2"), "attention in art_1, art_6"),
        (MapSource("layer", "art_1", 3), "layers 1 to 3, got 4"),
        (MapSource("head", "art_1", 0, 2), "heads 1 to 2, got 3"),
    ],
)
def test_what_there_is_not_is_refused(source, message, record):
    with pytest.raises(EngineError, match=message):
        attention_map(record, source)


def test_a_model_without_attention_gives_an_empty_record(prepared, card):
    from torch import nn

    record = record_slice(prepared, SliceNetwork(card, model=nn.Conv2d(2, 1, 1)), 0)
    assert record.blocks == ()
    with pytest.raises(CardError, match="has no attention"):
        attention_map(record, MapSource())


def test_a_slice_that_does_not_exist_is_refused(prepared, network):
    with pytest.raises(EngineError, match="0 to 4"):
        record_slice(prepared, network, 5)


def test_token_maps_lie_over_the_anatomy(record):
    volume = record.place(np.arange(12, dtype=np.float32).reshape(3, 4), "rollout")
    assert volume.data.shape == (1, 1, 3, 4)
    assert volume.spacing == (3.0, 8.0, 8.0)
    # slice 2 is 6 mm up; the first token's centre lies 3.5 pixels inside
    np.testing.assert_allclose(volume.origin, (2.0 + 6.0, -3.0 + 3.5, 4.0 + 3.5))
    assert volume.metadata["provenance"]["model"] == "looker"


def test_pixel_maps_lie_on_the_grid_of_the_slices(prepared):
    maps = {1: np.ones((24, 32), np.float32), 3: np.full((24, 32), 2, np.float32)}
    volume = place_maps(prepared, maps, "gradient")
    assert volume.spacing == (3.0, 1.0, 1.0)
    assert volume.origin == (5.0, -3.0, 4.0)
    np.testing.assert_array_equal(volume.data[0, :, 0, 0], [1, 0, 2])


def test_no_map_is_refused(prepared):
    with pytest.raises(EngineError, match="every slice is empty"):
        place_maps(prepared, {}, "rollout")
