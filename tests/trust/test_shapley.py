"""Shapley values against all orders of joining, written out."""

from itertools import permutations

import numpy as np
import pytest

from napari_medsynth.trust.shapley import coalitions, shapley_values, shapley_weights


def by_permutations(values, n_players):
    """Average what a player changes when it joins, over every order."""
    number = {
        frozenset(i for i in range(n_players) if row[i]): k
        for k, row in enumerate(coalitions(n_players).tolist())
    }
    found = np.zeros((n_players, *values.shape[1:]))
    orders = list(permutations(range(n_players)))
    for order in orders:
        there = frozenset()
        for player in order:
            joined = there | {player}
            found[player] += values[number[joined]] - values[number[there]]
            there = joined
    return found / len(orders)


@pytest.mark.parametrize("n_players", [1, 2, 3, 4])
def test_values_are_those_of_all_orders(n_players, rng):
    values = rng.normal(size=(2**n_players, 3, 5))

    expected = by_permutations(values, n_players)

    np.testing.assert_allclose(shapley_values(values), expected, atol=1e-12)


@pytest.mark.parametrize("n_players", [1, 2, 3, 4])
def test_values_sum_to_what_all_reach_together(n_players, rng):
    values = rng.normal(size=(2**n_players, 7)).astype(np.float32)

    total = shapley_values(values).sum(axis=0)

    np.testing.assert_allclose(total, values[-1] - values[0], atol=1e-6)


def test_one_who_changes_nothing_gets_nothing(rng):
    members = coalitions(3)
    worth = rng.normal(size=4)
    values = worth[members[:, 0] + 2 * members[:, 2]]  # player 1 does not matter

    assert shapley_values(values)[1] == pytest.approx(0, abs=1e-12)


def test_equal_players_get_the_same():
    pair = coalitions(2).all(axis=1).astype(float)  # both are needed

    np.testing.assert_allclose(shapley_values(pair), [0.5, 0.5])


def test_coalitions_are_all_subsets_from_nobody_to_everybody():
    members = coalitions(3)

    assert len({tuple(row) for row in members.tolist()}) == 8
    assert not members[0].any()
    assert members[-1].all()


def test_weights_of_two_players_are_halves():
    np.testing.assert_allclose(
        shapley_weights(2), [[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5]]
    )


def test_missing_value_of_a_coalition_is_refused():
    with pytest.raises(ValueError, match="power of 2"):
        shapley_values(np.zeros(5))
