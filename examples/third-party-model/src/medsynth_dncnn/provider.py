"""What napari-medsynth asks this package for: its cards. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from napari_medsynth.catalogue import ModelCard, read_blueprint

FOLDER = Path(__file__).parent


def medsynth_cards() -> list[ModelCard]:
    """Give the cards of all models of this package; called once per process."""
    return [read_blueprint(path) for path in sorted(FOLDER.glob("*.toml"))]
