"""A catalogue of its own for every test: empty user folder, no embedded packs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard, registry
from napari_medsynth.catalogue.providers import provided_cards


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The user's folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MEDSYNTH_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def embedded(tmp_path, monkeypatch) -> Path:
    """The folder of embedded packs; it exists and is empty."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(registry, "resource", lambda *parts: folder)
    return folder


@pytest.fixture(autouse=True)
def forget_providers():
    provided_cards.cache_clear()
    yield
    provided_cards.cache_clear()


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        id="tiny-t1-t2",
        family="resvit",
        task="synthesis",
        title="Tiny",
        factory="napari_medsynth.models.resvit:ResViT",
        inputs=("T1",),
        outputs=("T2",),
        options={"in_channels": 1, "out_channels": 1, "width": 8},
        quality=({"data": "phantom", "psnr": 20.5},),
    )


@pytest.fixture
def weights(rng) -> dict[str, np.ndarray]:
    return {
        "body.weight": rng.normal(size=(4, 3)).astype(np.float16),
        "body.bias": rng.normal(size=4).astype(np.float32),
        "body.steps": np.array(7, np.int64),
    }


@pytest.fixture
def provider(tmp_path, monkeypatch):
    """Install a provider: ``provider(name, source_code)``."""

    def install(name: str, source: str) -> None:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}_cards.py").write_text(source)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            f"[napari_medsynth.providers]\n{name} = {name}_cards\n"
        )
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, f"{name}_cards", raising=False)

    return install
