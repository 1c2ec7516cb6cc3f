"""Fixtures that every test may use: small seeded phantoms and the shared real data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_medsynth.io import Study, Volume


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real scans and golden vectors; tests that need it skip without it."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("MEDSYNTH_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set MEDSYNTH_SHARED)")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20220418)


def head_phantom(shape=(6, 40, 36), *, level=1.0, seed=0) -> np.ndarray:
    """Nested ellipsoids with a little noise, background 0, shape (1, Z, Y, X)."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    radius = np.sqrt(0.3 * grid[0] ** 2 + grid[1] ** 2 + grid[2] ** 2)
    image = np.select([radius < 0.3, radius < 0.6, radius < 0.85], [300, 800, 500], 0)
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    return (level * np.where(image > 0, image + noise, 0))[np.newaxis].astype(
        np.float32
    )


@pytest.fixture
def volume() -> Volume:
    """An asymmetric T1-like volume with three different sides and spacings."""
    return Volume(
        head_phantom(),
        spacing=(3.0, 1.0, 1.2),
        origin=(-10.0, 5.0, 7.0),
        modality="T1",
        name="T1",
    )


@pytest.fixture
def study(volume: Volume) -> Study:
    """T1, T2, PD and FLAIR phantoms on one grid."""
    volumes = {
        modality: volume.with_data(
            head_phantom(level=level, seed=i), modality=modality, name=modality
        )
        for i, (modality, level) in enumerate(
            {"T1": 1.0, "T2": 0.7, "PD": 1.3, "FLAIR": 0.5}.items()
        )
    }
    return Study(volumes, subject="phantom")
