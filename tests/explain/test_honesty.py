"""Honest and lying maps of a model whose attention is what it does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import EngineError
from napari_medsynth.explain import MapSource, check_map, map_maker, record_slice
from napari_medsynth.explain.deletion import N_DRAWS, Curves, Deletion
from napari_medsynth.explain.honesty import N_STEPS, shuffled
from napari_medsynth.explain.query import Query
from napari_medsynth.io import Study

ASKED = 5
CHAIN = MapSource("chain", "art_1")


def last_of(steps):
    said = []
    while True:
        try:
            said.append(next(steps))
        except StopIteration as stop:
            return said, stop.value


@pytest.fixture
def big_pair(rng, pair):
    """5 x 6 tokens of 8 pixels."""
    data = {m: rng.uniform(100, 900, (1, 1, 40, 48)) for m in ("T1", "T2")}
    return Study({m: pair[m].with_data(d.astype(np.float32)) for m, d in data.items()})


@pytest.fixture
def prepared(big_pair, card):
    return prepare_study(big_pair, card)


@pytest.fixture
def network(network, card, rng):
    """One layer: what a token looks at is all that it is made of."""
    attention = 3.0 ** -rng.permuted(np.tile(np.arange(30.0), (30, 1)), axis=1)
    attention /= attention.sum(axis=1, keepdims=True)
    layers = {"art_1": attention[None, None].astype(np.float32)}
    return SliceNetwork(card, model=type(network.network)(layers))


@pytest.fixture
def query():
    pixels = np.zeros((40, 48), bool)
    pixels[0:8, 40:48] = True  # token 5
    return Query(pixels)


def test_the_attention_that_makes_the_image_passes(prepared, network, query):
    steps = check_map(prepared, network, 0, map_maker(CHAIN, query), query=query)
    said, found = last_of(steps)
    assert found.passed and found.reason == ""
    assert found.faithfulness > 1
    assert abs(found.similarity_to_random) < 0.5
    assert np.mean(found.most) > np.mean(found.random) > np.mean(found.least)
    assert said[0] == "Shuffling weights, 1 of 3"
    assert said[-1] == "Deleting regions, 20 of 20"
    assert len(said) == N_STEPS


def test_the_opposite_fails(prepared, network, query):
    make = map_maker(CHAIN, query)

    def opposite(record, network):
        return 1 - make(record, network)

    _, found = last_of(check_map(prepared, network, 0, opposite, query=query))
    assert not found.passed and found.faithfulness < 0
    assert "it does not show what the model uses" in found.reason
    assert found.reason[0].isupper() and found.reason.endswith(".")


def test_a_picture_of_the_input_fails(prepared, network, query):
    def picture(record, network):
        return record.inputs[0].mean(dim=0).numpy()

    _, found = last_of(check_map(prepared, network, 0, picture, query=query))
    assert found.similarity_to_random == pytest.approx(1)
    assert not found.passed
    assert "With shuffled weights it stays much the same" in found.reason


def test_a_flat_map_is_like_no_other_and_marks_nothing(prepared, network, query):
    def flat(record, network):
        return np.ones(record.grid, np.float32)

    _, found = last_of(check_map(prepared, network, 0, flat, query=query))
    assert found.similarity_to_random == 0
    assert not found.passed


def test_what_used_the_place_passes_in_reverse_only(prepared, network, query):
    reverse = map_maker(CHAIN, query, is_reverse=True)
    steps = check_map(prepared, network, 0, reverse, query=query, is_reverse=True)
    _, found = last_of(steps)
    assert found.passed
    forward = map_maker(CHAIN, query)
    steps = check_map(prepared, network, 0, forward, query=query, is_reverse=True)
    _, found = last_of(steps)
    assert not found.passed


def test_the_same_seed_is_the_same_result(prepared, network, query):
    def check(seed):
        make = map_maker(CHAIN, query)
        steps = check_map(prepared, network, 0, make, query=query, seed=seed)
        return last_of(steps)[1]

    assert check(1) == check(1)
    assert check(1).random != check(2).random


def test_a_model_that_uses_pixels_alone_does_not_change_elsewhere(prepared, card):
    network = SliceNetwork(card, model=nn.Conv2d(2, 1, 1))
    make = map_maker(MapSource("gradient_times_input"))
    with pytest.raises(EngineError, match="needs 10 regions"):
        last_of(check_map(prepared, network, 0, make))  # 2 x 3 cells of 16 pixels


def test_no_change_is_a_reason():
    nothing = Curves(np.zeros(4), np.zeros(4), np.zeros((9, 2, 4)))
    assert nothing.faithfulness == 0 and not nothing.is_faithful


@pytest.mark.parametrize(
    ("most", "least", "expected"),
    [
        (3.0, 0.5, True),
        (2.4, 0.5, False),  # one draw parts them by as much
        (4.0, 2.2, False),
        (2.3, 0.3, True),
    ],
)
def test_the_gap_must_beat_that_of_the_map_elsewhere(most, least, expected):
    draws = np.array([[1.0, 0.8], [2.2, 0.3], [1.0, 1.5]])  # gaps 0.2, 1.9, -0.5
    curves = Curves(
        np.full(4, most), np.full(4, least), np.repeat(draws[..., None], 4, axis=2)
    )
    assert curves.is_faithful is expected
    assert curves.faithfulness == pytest.approx((most - least) / 1.4)
    np.testing.assert_allclose(curves.random, 1.4)


def test_a_map_the_wrong_way_round_fails_even_if_others_are_worse():
    draws = np.repeat([[[1.0], [3.0]]], 4, axis=2)
    assert not Curves(np.full(4, 1.0), np.full(4, 1.5), draws).is_faithful


def test_deletion_measures_at_the_query(prepared, network, query):
    record = record_slice(prepared, network, 0)
    deletion = Deletion(record, network, query)
    assert ASKED not in deletion.candidates and len(deletion.candidates) == 29
    attention = record.layers["art_1"][0].mean(dim=0).numpy()[ASKED]
    image = record.inputs[0].mean(dim=0).numpy()
    inside = deletion.inside
    means = np.mean([c[inside].mean() for c in record.inputs[0].numpy()])
    block = image[8:16, 0:8]  # token 6
    kept = ~inside[8:16, 0:8]
    expected = attention[6] * np.where(kept, 0, np.abs(block - means)).mean() / 2
    found = deletion._change_without(np.array([6]))
    assert found == pytest.approx(expected, rel=1e-4)


def test_without_a_query_what_is_left_is_measured(prepared, network):
    record = record_slice(prepared, network, 0)
    deletion = Deletion(record, network)
    change = deletion._change(np.isin(deletion._cell_of, [6]) & deletion.inside)
    left = deletion.inside.copy()
    left[8:16, 0:8] = False
    found = deletion._change_without(np.array([6]))
    assert found == pytest.approx(change[left].mean())


def test_pixels_are_averaged_in_cells(prepared, network, rng):
    deletion = Deletion(record_slice(prepared, network, 0), network)
    values = rng.normal(size=(40, 48)).astype(np.float32)
    expected = np.abs(values).reshape(5, 8, 6, 8).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(deletion.cell_values(values), expected, rtol=1e-4)


def test_without_attention_cells_are_squares_of_16_pixels(pair, card, rng):
    data = rng.uniform(100, 900, (1, 1, 72, 96)).astype(np.float32)
    study = Study({m: pair[m].with_data(data) for m in ("T1", "T2")})
    prepared = prepare_study(study, replace(card, size_multiple=32))
    network = SliceNetwork(card, model=nn.Conv2d(2, 1, 1))
    deletion = Deletion(record_slice(prepared, network, 0), network)
    assert deletion.grid == (6, 6)
    assert list(deletion.candidates) == list(range(6, 30))  # 12 rows are padding
    values = deletion.cell_values(np.full((72, 96), 2, np.float32))
    padded = np.pad(np.full((72, 96), 2.0), ((12, 12), (0, 0)))
    expected = padded.reshape(6, 16, 6, 16).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_draws_are_far_from_the_map(prepared, network, rng):
    marked = np.zeros(30)
    marked[0] = 1
    deletion = Deletion(record_slice(prepared, network, 0), network)
    draws = [one.argmax() for one in deletion._shifted(marked, rng)]
    assert len(set(draws)) == N_DRAWS
    for row, column in (divmod(int(cell), 6) for cell in draws):
        assert min(row, 5 - row) >= 2 or min(column, 6 - column) >= 2


def test_shuffling_keeps_the_numbers_and_the_model():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 1, 3))
    before = [p.detach().clone() for p in model.parameters()]
    one, same, other = shuffled(model, 4), shuffled(model, 4), shuffled(model, 5)
    all_of = zip(before, *(m.parameters() for m in (model, one, same)), strict=True)
    for old, now, a, b in all_of:
        assert torch.equal(old, now)
        assert torch.equal(a, b)
        assert torch.equal(a.flatten().sort()[0], old.flatten().sort()[0])
    assert not torch.equal(one[0].weight, before[0])
    assert not torch.equal(one[0].weight, other[0].weight)
