"""Entropy and distance of heads, against sums over pairs of tokens."""

import numpy as np
import pytest
import torch

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError
from napari_medsynth.explain.heads import head_statistics, token_distances
from napari_medsynth.explain.query import query_at
from napari_medsynth.explain.record import record_slice
from napari_medsynth.io import Study

UNIFORM = np.full((12, 12), 1 / 12)


def looker(conftest_looker, *heads):
    """A network of one block with one layer of these heads."""
    return conftest_looker({"art_1": np.array([heads], np.float32)})


@pytest.fixture
def build(network, card):
    cls = type(network.network)
    return lambda *heads: SliceNetwork(card, model=looker(cls, *heads))


def test_one_entry_per_head_in_order(prepared, network):
    found = head_statistics(record_slice(prepared, network, 0))
    expected = [
        (b, layer, h) for b in ("art_1", "art_6") for layer in range(3) for h in (0, 1)
    ]
    assert [(s.block, s.layer, s.head) for s in found] == expected


def test_a_head_that_looks_at_itself_and_one_that_looks_everywhere(prepared, build):
    record = record_slice(prepared, build(np.eye(12), UNIFORM), 0)
    own, all_alike = head_statistics(record)
    assert (own.entropy, own.distance) == (0, 0)
    assert all_alike.entropy == pytest.approx(np.log2(12), rel=1e-6)
    assert all_alike.entropy_share == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_distance_and_entropy_equal_the_sums_over_all_pairs(
    plane, pair, card, build, rng
):
    # 3 mm by 1 mm pixels in the coronal plane; 24 x 32 or 8 x 32 of them
    prepared = prepare_study(pair, card, plane=plane)
    rows, columns = (n // 8 for n in prepared.frame.padded)
    n = rows * columns
    attention = rng.random((n, n)) ** 3
    attention /= attention.sum(1, keepdims=True)
    record = record_slice(prepared, build(attention), 1)
    (found,) = head_statistics(record)

    mm = {"axial": (8, 8), "coronal": (8 * 3, 8)}[plane]
    distance = entropy = 0.0
    for q in range(n):
        for k in range(n):
            (r0, c0), (r1, c1) = divmod(q, columns), divmod(k, columns)
            far = ((r0 - r1) ** 2 * mm[0] ** 2 + (c0 - c1) ** 2 * mm[1] ** 2) ** 0.5
            distance += attention[q, k] * far / n
            entropy -= attention[q, k] * np.log2(attention[q, k]) / n
    assert found.distance == pytest.approx(distance, rel=1e-5)
    assert found.entropy == pytest.approx(entropy, rel=1e-5)
    assert found.entropy_share == pytest.approx(entropy / np.log2(n), rel=1e-5)


def test_resampled_slices_keep_their_millimetres(pair, card):
    from dataclasses import replace

    thick = {m: replace(v, spacing=(3.0, 2.0, 4.0)) for m, v in pair.volumes.items()}
    prepared = prepare_study(Study(thick), replace(card, spacing=1.0))
    assert prepared.frame.inner == (48, 128)
    found = token_distances(prepared, (6, 16))  # 8 mm each
    assert found[0, 1].item() == pytest.approx(8)
    assert found[0, 17].item() == pytest.approx(128**0.5)


def test_a_query_counts_its_token_only(prepared, build):
    mixed = np.eye(12)
    mixed[5] = 1 / 12
    record = record_slice(prepared, build(mixed), 0)
    (asked,) = head_statistics(record, query_at(prepared, 12, 12))  # token (1, 1)
    (other,) = head_statistics(record, query_at(prepared, 0, 0))
    assert asked.entropy == pytest.approx(np.log2(12), rel=1e-6)
    assert other.entropy == 0


def test_a_model_without_attention_is_refused(prepared, card):
    network = SliceNetwork(card, model=torch.nn.Conv2d(2, 1, 1))
    with pytest.raises(CardError, match="has no attention"):
        head_statistics(record_slice(prepared, network, 0))
