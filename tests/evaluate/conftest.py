"""A real image and a noisy synthesis of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.io import Volume


@pytest.fixture
def truth(volume: Volume) -> Volume:
    return replace(volume, modality="FLAIR", name="FLAIR")


@pytest.fixture
def synthetic(truth: Volume) -> Volume:
    noise = np.random.default_rng(5).normal(0, 60, truth.data.shape)
    return truth.with_data(
        (truth.data + noise).astype(np.float32),
        name="made",
        metadata={"synthetic": True, "provenance": {"model": "tiny"}},
    )


@pytest.fixture
def run():
    """Exhaust a generator; give what it yields and what it returns."""

    def exhaust(steps):
        yielded = []
        while True:
            try:
                yielded.append(next(steps))
            except StopIteration as end:
                return yielded, end.value

    return exhaust
