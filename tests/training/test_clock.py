"""How long a run still takes."""

from __future__ import annotations

import pytest

from napari_medsynth.training import clock
from napari_medsynth.training.clock import Clock


@pytest.fixture
def passed(monkeypatch):
    """Let time pass only when it is told to."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_the_slow_first_step_is_not_counted(passed):
    watch = Clock()
    passed(30)
    assert watch.step() == 30
    assert watch.eta(n_steps=2, n_looks=0) == 60  # nothing better is known yet
    for _ in range(3):
        passed(2)
        watch.step()

    assert watch.per_step == 2
    assert watch.eta(n_steps=10, n_looks=0) == 20
    assert watch.seconds == 36


def test_looks_are_counted_by_themselves(passed):
    watch = Clock()
    passed(5)
    watch.look()
    for _ in range(3):
        passed(1)
        watch.step()
    passed(7)
    watch.look()
    passed(50)
    watch.skip()
    passed(1)
    watch.step()

    assert watch.per_look == 6
    assert watch.eta(n_steps=4, n_looks=2) == 4 + 12


def test_the_start_is_when_it_is_told(passed):
    watch = Clock()
    passed(1000)
    watch.start()
    passed(3)

    assert watch.step() == 3
    assert watch.seconds == 3
