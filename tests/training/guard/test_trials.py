from dataclasses import replace

import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.training.guard.trials import Trial, list_trials, n_leave_one_out

NAMES = ("T1", "T2", "PD", "FLAIR")
UNIFIED = ModelCard(
    id="unified",
    family="resvit",
    task="synthesis",
    title="Unified",
    factory="tests:None",
    inputs=NAMES,
    outputs=NAMES,
    is_unified=True,
)
PAIR = replace(
    UNIFIED, id="pair", inputs=("T1", "T2"), outputs=("FLAIR",), is_unified=False
)


def available(trials):
    return [trial.available for trial in trials]


def test_masks_that_hide_one_come_first_then_single_sources_then_all_others():
    trials = list_trials(UNIFIED, NAMES)

    assert available(trials[:4]) == [
        "T1+T2+PD",
        "T1+T2+FLAIR",
        "T1+PD+FLAIR",
        "T2+PD+FLAIR",
    ]
    assert available(trials[4:8]) == list(NAMES)
    assert len(trials) == 2**4 - 2
    assert len(set(available(trials))) == len(trials)


def test_all_that_is_hidden_is_asked_for():
    trials = list_trials(UNIFIED, ("T2", "T1", "FLAIR"))

    assert trials[0] == Trial(("T1", "T2"), ("FLAIR",))
    assert Trial(("T2",), ("T1", "FLAIR")) in trials
    assert len(trials) == 6


def test_only_wanted_targets_are_asked_for():
    trials = list_trials(UNIFIED, NAMES, ("FLAIR",))

    assert {trial.targets for trial in trials} == {("FLAIR",)}
    assert not any("FLAIR" in trial.sources for trial in trials)
    assert n_leave_one_out(trials) == 1


def test_leave_one_out_lists_nothing_else():
    trials = list_trials(UNIFIED, NAMES, availability="leave-one-out")

    assert [trial.targets for trial in trials] == [
        ("FLAIR",),
        ("PD",),
        ("T2",),
        ("T1",),
    ]


def test_model_with_fixed_sources_has_one_trial_or_none():
    assert list_trials(PAIR, NAMES) == (Trial(("T1", "T2"), ("FLAIR",)),)
    assert list_trials(PAIR, ("T1", "FLAIR")) == ()
    assert list_trials(PAIR, ("T1", "T2")) == ()


@pytest.mark.parametrize("present", [(), ("T1",), ("CT",)])
def test_too_little_gives_no_trial(present):
    assert list_trials(UNIFIED, present) == ()
