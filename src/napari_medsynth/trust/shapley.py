"""Shapley values: how much each of a few players adds to what all reach together."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

MAX_PLAYERS = 4  # 16 coalitions


def coalitions(n_players: int) -> NDArray[np.bool_]:
    """List all coalitions, (2**n_players, n_players): True where a player takes part.

    The first one is empty, the last one is everybody.
    """
    numbers = np.arange(2**n_players)[:, np.newaxis]
    return (numbers >> np.arange(n_players)) & 1 == 1


def shapley_weights(n_players: int) -> NDArray[np.float64]:
    """Give (n_players, 2**n_players): times the coalitions' values, the Shapley values.

    A player's value is the mean, over all orders in which players may join, of what
    the total changes by when it joins [1]_. Coalitions are in the order of
    `coalitions`.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of
       Games 2, 1953. https://doi.org/10.1515/9781400881970-018
    """
    members = coalitions(n_players)
    sizes = members.sum(axis=1)
    # of n! orders, those in which `before` others have come before the player
    joins = np.array(
        [factorial(k) * factorial(n_players - 1 - k) for k in range(n_players)]
    ) / factorial(n_players)
    weights = np.empty((n_players, len(members)))
    for player, takes_part in enumerate(members.T):
        weights[player, takes_part] = joins[sizes[takes_part] - 1]
        weights[player, ~takes_part] = -joins[sizes[~takes_part]]
    return weights


def shapley_values(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give what each player contributes, (n_players, ...).

    Parameters
    ----------
    values : ndarray
        (2**n_players, ...), what each coalition reaches, in the order of `coalitions`.

    Returns
    -------
    ndarray
        Their sum over the players is ``values[-1] - values[0]``.

    Raises
    ------
    ValueError
        If the number of values is not a power of two.
    """
    n_players = len(values).bit_length() - 1
    if len(values) != 2**n_players:
        raise ValueError(
            f"Every coalition needs a value: their number is a power of 2, "
            f"got {len(values)}."
        )
    return np.tensordot(shapley_weights(n_players), values.astype(np.float64), axes=1)
