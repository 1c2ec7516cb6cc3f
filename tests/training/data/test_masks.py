"""Availability masks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.training.data.masks import (
    curriculum_mask,
    first_scenario,
    random_mask,
    scenarios,
)

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


def test_scenarios_are_sorted_by_how_many_scans_there_are():
    fourteen = scenarios(4)

    assert fourteen.sum(axis=1).tolist() == [1] * 4 + [2] * 6 + [3] * 4
    assert len({tuple(row) for row in fourteen}) == 14
    assert fourteen[[0, 4, 13]].astype(int).tolist() == [
        [0, 0, 0, 1],
        [0, 0, 1, 1],
        [1, 1, 1, 0],
    ]


def test_the_intervals_of_sixty_epochs_are_those_of_mmgan():
    """[10, 14) before epoch 10, [7, 14) before 20, [3, 14) before 30, then all."""
    starts = [first_scenario(4, epoch / 60) for epoch in range(60)]

    assert starts == [10] * 10 + [7] * 10 + [3] * 10 + [0] * 30


@pytest.mark.parametrize(
    ("n", "starts"), [(2, [0, 0, 0, 0]), (3, [3, 3, 1, 0]), (5, [21, 15, 6, 0])]
)
def test_other_numbers_of_contrasts_have_like_intervals(n, starts):
    assert [first_scenario(n, p) for p in (0.0, 0.2, 0.4, 0.9)] == starts


@pytest.mark.parametrize(
    ("progress", "numbers"),
    [(0.0, {3}), (0.2, {2, 3}), (0.4, {1, 2, 3}), (0.9, {1, 2, 3})],
)
def test_a_curriculum_hides_more_and_more(rng, progress, numbers):
    masks = [curriculum_mask(ALL, ALL, progress, rng) for _ in range(300)]

    assert {int(given.sum()) for given, _ in masks} == numbers
    assert all((wanted == ~given).all() for given, wanted in masks)
    n_different = len({tuple(given) for given, _ in masks})
    assert n_different == 14 - first_scenario(4, progress)


def test_a_curriculum_only_knows_what_exists_and_wants_targets(rng):
    targets = np.array([False, False, True, True])

    for progress in (0.0, 0.9):
        for _ in range(50):
            given, wanted = curriculum_mask(PRESENT, targets, progress, rng)
            assert wanted.tolist() == [False, False, False, True]
            assert given.any()
            assert not given[2:].any()
    with pytest.raises(ValueError, match="an existing target"):
        curriculum_mask(PRESENT, np.array([False, False, True, False]), 0.0, rng)
