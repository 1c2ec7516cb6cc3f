"""An empty catalogue for tests of the engine."""

import pytest

from napari_medsynth.engine.weights import forget_models


@pytest.fixture
def models_home(tmp_path, monkeypatch):
    """An empty user folder, and no network kept from another test."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path))
    forget_models()
    yield tmp_path / "models"
    forget_models()
