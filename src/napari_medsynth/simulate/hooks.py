"""File > Open Sample > MedSynth: what npe2 calls."""

from __future__ import annotations

from typing import Any

from napari_medsynth.io.geometry import layer_tuple

from .study import sample_study


def sample_layers() -> list[tuple[Any, dict[str, Any], str]]:
    """Give the sample study as napari layers, FLAIR on top."""
    study = sample_study()
    return [layer_tuple(study[modality]) for modality in study.modalities]
