"""Availability masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.training.data.masks import random_mask

PRESENT = np.array([True, True, False, True])
ALL = np.ones(4, bool)


def drawn(rng, targets=ALL, availability="all", present=PRESENT):
    return [random_mask(present, targets, availability, rng) for _ in range(300)]


def test_every_combination_of_present_contrasts_comes_up(rng):
    masks = drawn(rng)

    assert all(given.any() and wanted.any() for given, wanted in masks)
    assert not any((given & wanted).any() for given, wanted in masks)
    assert not any(given[2] or wanted[2] for given, wanted in masks)
    assert len({tuple(given) for given, _ in masks}) == 6  # all but none and all


def test_leave_one_out_hides_exactly_one(rng):
    masks = drawn(rng, availability="leave-one-out")

    assert all(wanted.sum() == 1 and given.sum() == 2 for given, wanted in masks)
    assert {int(wanted.argmax()) for _, wanted in masks} == {0, 1, 3}


def test_only_targets_are_wanted_but_all_are_given(rng):
    targets = np.array([True, False, True, False])

    masks = drawn(rng, targets)

    assert all(wanted.tolist() == [True, False, False, False] for _, wanted in masks)
    assert {tuple(np.flatnonzero(given)) for given, _ in masks} == {(1,), (3,), (1, 3)}


@pytest.mark.parametrize(
    ("present", "targets"),
    [([True, False], [True, True]), ([True, True, False], [False, False, True])],
)
def test_what_cannot_be_asked_is_refused(rng, present, targets):
    with pytest.raises(ValueError, match="existing target and another"):
        random_mask(np.array(present), np.array(targets), "all", rng)
