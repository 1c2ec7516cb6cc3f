"""Availability masks: which contrasts of a sample are given and which wanted."""

from __future__ import annotations

from functools import lru_cache

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


def curriculum_mask(
    present: Mask, targets: Mask, progress: float, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Draw an availability mask that becomes harder with time, as MM-GAN does.

    Parameters
    ----------
    present, targets : ndarray
        See `random_mask`.
    progress : float
        Share of the training that is done [0, 1).
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
    existing = np.flatnonzero(present)
    is_target = (present & targets)[existing]
    if not is_target.any() or len(existing) < 2:
        raise ValueError("a mask needs an existing target and another contrast")
    all_ = scenarios(len(existing))
    useful = (~all_ & is_target).any(axis=1)
    late = np.arange(len(all_)) >= first_scenario(len(existing), progress)
    places = np.flatnonzero(useful & late)
    chosen = rng.choice(places if len(places) else np.flatnonzero(useful))
    given = np.zeros_like(present)
    given[existing[all_[chosen]]] = True
    return given, present & targets & ~given


@lru_cache(maxsize=16)
def scenarios(n: int) -> NDArray[np.bool_]:
    """List which of `n` contrasts may be given, bool (2 ** n - 2, n), fewest first.

    All combinations but none and all; those of equal numbers as binary numbers.
    """
    numbers = np.arange(1, 2**n - 1)
    bits = (numbers[:, None] >> np.arange(n)[::-1] & 1).astype(bool)
    return bits[np.argsort(bits.sum(axis=1), kind="stable")]


def first_scenario(n: int, progress: float) -> int:
    """Give the first of the `scenarios` that may be drawn; all later ones may be too.

    Notes
    -----
    MM-GAN, four contrasts and 60 epochs: of 14 scenarios those from 10 on (one scan
    missing) for 10 epochs, from 7 on until epoch 20, from 3 on until 30, then all.
    Other numbers of contrasts and epochs: the same shares, but never without the
    scenarios in which one scan is missing.
    """
    n_all = 2**n - 2
    for until, start in ((1 / 6, 10), (1 / 3, 7), (1 / 2, 3)):
        if progress < until:
            return min(start * n_all // 14, n_all - n)
    return 0
