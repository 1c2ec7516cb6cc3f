"""One function for all methods, and the table of them."""

import numpy as np
import pytest

from napari_medsynth.errors import EngineError
from napari_medsynth.explain import (
    METHODS,
    MapSource,
    attention_map,
    gradient_times_input,
    integrated_gradients,
    map_maker,
    occlusion,
    query_at,
    record_slice,
    relevance,
)


@pytest.fixture
def record(prepared, network):
    return record_slice(prepared, network, 2)


@pytest.fixture
def query(prepared):
    return query_at(prepared, 10, 12, 2)


def sources_of(function):
    return lambda r, n, q: function(r, n, q).strength


MADE = {
    "rollout": lambda r, n, q: attention_map(r, MapSource("rollout"), q),
    "relevance": lambda r, n, q: relevance(r, n, q),
    "gradient_times_input": sources_of(gradient_times_input),
    "integrated_gradients": sources_of(integrated_gradients),
}


@pytest.mark.parametrize("method", MADE)
def test_it_makes_the_map_of_the_method(method, record, network, query):
    found = map_maker(MapSource(method), query)(record, network)
    np.testing.assert_array_equal(found, MADE[method](record, network, query))


@pytest.mark.parametrize("method", METHODS)
def test_the_table_tells_the_truth(method, record, network, query):
    known = METHODS[method]
    for is_reverse, can in [(False, known.can_forward), (True, known.can_reverse)]:
        if not can:
            with pytest.raises(EngineError):
                map_maker(MapSource(method), query, is_reverse=is_reverse)
            continue
        make = map_maker(MapSource(method), query, is_reverse=is_reverse)
        shape = make(record, network).shape
        assert shape == ((3, 4) if known.resolution == "tokens" else (24, 32))
    assert known.description.endswith(".")


def test_reverse_is_passed_on(record, network, query):
    made = map_maker(MapSource("chain"), query, is_reverse=True)(record, network)
    expected = attention_map(record, MapSource("chain"), query, is_reverse=True)
    np.testing.assert_array_equal(made, expected)
    covered = map_maker(MapSource("occlusion"), query, is_reverse=True)(record, network)
    np.testing.assert_array_equal(covered, occlusion(record, network, query))


def test_a_block_is_passed_on(record, network, query):
    made = map_maker(MapSource("relevance", "art_6"), query)(record, network)
    expected = relevance(record, network, query, block="art_6")
    np.testing.assert_array_equal(made, expected)


def test_one_source_is_signed_and_all_are_a_sum_of_magnitudes(record, network, query):
    source = MapSource("gradient_times_input")
    each = [map_maker(source, query, modality=m)(record, network) for m in ("T1", "T2")]
    both = map_maker(source, query)(record, network)
    np.testing.assert_allclose(both, np.abs(each).sum(axis=0))
    with pytest.raises(EngineError, match="was shown T1, T2, not PD"):
        map_maker(source, query, modality="PD")(record, network)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("saliency", {}, "A map is one of rollout"),
        ("relevance", {"is_reverse": True}, "choose attention or occlusion"),
        ("occlusion", {}, "ask in reverse"),
        ("occlusion", {"is_reverse": True}, "give a query"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(source, options, message):
    with pytest.raises(EngineError, match=message):
        map_maker(MapSource(source), **options)


def test_captions():
    assert MapSource("rollout", "art_1").title == "rollout art_1"
    assert MapSource("head", "art_6", 2, 1).title == "head art_6 layer 3 head 2"
    assert MapSource("relevance").title == "relevance all blocks"
    assert MapSource("gradient_times_input", "art_1").title == "gradient x input"
