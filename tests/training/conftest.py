"""A tiny head, a tiny network and a tiny run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.simulate import Anatomy
from napari_medsynth.training import TrainConfig, slices

OPTIONS = {
    "width": 4,
    "n_blocks": 2,
    "transformer_blocks": [1],
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "token_grid": [2, 2],
    "dropout": 0.0,
}


@pytest.fixture
def brick(monkeypatch: pytest.MonkeyPatch) -> Anatomy:
    """Fluid outside, grey below, white inside; stands for the embedded brain."""
    shares = np.zeros((4, 26, 44, 36), np.uint8)
    shares[0, 3:23, 4:40, 4:32] = 255
    shares[:2, 5:21, 6:38, 6:30] = [[[[0]]], [[[255]]]]
    shares[1:3, 8:18, 12:32, 11:25] = [[[[0]]], [[[255]]]]
    anatomy = Anatomy(shares, (0.0, 0.0, 0.0))
    monkeypatch.setattr(slices, "load_anatomy", lambda: anatomy)
    return anatomy


@pytest.fixture
def config(brick: Anatomy) -> TrainConfig:
    return TrainConfig(
        id="tiny",
        title="Tiny",
        output="tiny.safetensors",
        options=OPTIONS,
        n_steps=3,
        batch_size=2,
        warmup_steps=1,
        n_anatomies=2,
        n_lesions=2,
        sides=(32, 64),
        n_threads=1,
    )


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """A real subject without PD: three files on one grid."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "subject"
    folder.mkdir()
    head = np.zeros((20, 40, 36), np.float32)
    head[4:16, 6:34, 5:31] = 500 + 50 * rng.standard_normal((12, 28, 26))
    for level, modality in enumerate(("T1", "T2", "FLAIR"), start=1):
        image = sitk.GetImageFromArray(level * head)
        sitk.WriteImage(image, str(folder / f"{modality}.nii.gz"))
    return folder
