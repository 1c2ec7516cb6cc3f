"""Availability masks: which contrasts of a sample are given and which wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def random_mask(
    present: Mask, targets: Mask, availability: str, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Draw an availability mask of a unified model.

    Parameters
    ----------
    present, targets : ndarray
        bool, (C,): contrasts that exist, and those that are to be learnt.
    availability : {"all", "leave-one-out"}
        Hide any combination, or exactly one as ResViT's authors did.
    rng : Generator

    Returns
    -------
    tuple of ndarray
        Given (one at least) and wanted (one at least), bool (C,).

    Raises
    ------
    ValueError
        If no target exists, or nothing besides it.
    """
    possible = np.flatnonzero(present & targets)
    if not len(possible) or present.sum() < 2:
        raise ValueError("a mask needs an existing target and another contrast")
    hidden = rng.choice(possible)
    others = np.flatnonzero(present)
    others = rng.permutation(others[others != hidden])
    n_given = len(others)
    if availability == "all":
        n_given = int(rng.integers(1, len(others) + 1))
    given = np.zeros_like(present)
    given[others[:n_given]] = True
    return given, present & targets & ~given
