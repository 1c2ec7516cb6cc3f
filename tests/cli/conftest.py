"""Run the program in this process, with a catalogue of its own and a tiny model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_medsynth.catalogue import ModelCard, ModelPack, registry, write_pack
from napari_medsynth.cli import main
from napari_medsynth.io import write_volume

MODALITIES = ("T1", "T2", "PD", "FLAIR")
TINY = {
    "in_channels": 4,
    "out_channels": 4,
    "width": 4,
    "n_blocks": 2,
    "transformer_blocks": [1],
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "mlp_dim": 8,
    "token_grid": [2, 2],
}


@dataclass(frozen=True)
class Done:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def medsynth(capsys, monkeypatch):
    """``medsynth("models", "list")`` -> `Done`."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Done:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(int(caught.value.code or 0), out, err)

    return run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The user's folder; there are no embedded packs."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    empty = tmp_path / "embedded"
    empty.mkdir()
    monkeypatch.setattr(registry, "resource", lambda *parts: empty)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def tiny_card() -> ModelCard:
    return ModelCard(
        id="tiny",
        family="resvit",
        task="synthesis",
        title="Tiny",
        factory="napari_medsynth.models.resvit:ResViT",
        options=TINY,
        inputs=MODALITIES,
        outputs=MODALITIES,
        is_unified=True,
        norm_statistics="batch",
        quality=({"data": "phantom", "available": ["T1", "T2"], "psnr": 20.5},),
    )


@pytest.fixture(scope="session")
def tiny_weights(tiny_card):
    torch = pytest.importorskip("torch")
    from napari_medsynth.catalogue import build_model

    torch.manual_seed(0)
    return {k: v.numpy() for k, v in build_model(tiny_card).state_dict().items()}


@pytest.fixture
def tiny(home, tiny_card, tiny_weights) -> ModelPack:
    """An imported unified model of four contrasts."""
    return write_pack(home / "models" / "tiny.safetensors", tiny_card, tiny_weights)


@pytest.fixture
def scans(tmp_path, study) -> Path:
    """A folder with sub-01_T1w.nii.gz, sub-01_T2w.nii.gz and sub-01_PD.nii.gz."""
    folder = tmp_path / "scans"
    for modality, name in {"T1": "T1w", "T2": "T2w", "PD": "PD"}.items():
        write_volume(study[modality], folder / f"sub-01_{name}.nii.gz")
    return folder
