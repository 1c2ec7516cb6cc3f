"""A tiny head, tiny subjects on disk, a tiny network and tiny jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.catalogue import ModelPack, build_model, write_pack
from napari_medsynth.simulate import Anatomy
from napari_medsynth.training import DataConfig, NetworkConfig, TrainConfig, TrainJob

CONTRASTS = ("T1", "T2", "FLAIR")
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

WriteSubject = Callable[..., Mapping[str, str]]
RunJob = Callable[..., tuple[list[Any], Any]]


@pytest.fixture
def brick(monkeypatch: pytest.MonkeyPatch) -> Anatomy:
    """Fluid outside, grey below, white inside; stands for the embedded brain."""
    from napari_medsynth.training.data import simulated

    shares = np.zeros((4, 26, 44, 36), np.uint8)
    shares[0, 3:23, 4:40, 4:32] = 255
    shares[:2, 5:21, 6:38, 6:30] = [[[[0]]], [[[255]]]]
    shares[1:3, 8:18, 12:32, 11:25] = [[[[0]]], [[[255]]]]
    anatomy = Anatomy(shares, (0.0, 0.0, 0.0))
    monkeypatch.setattr(simulated, "load_anatomy", lambda: anatomy)
    return anatomy


def head(seed: int, shape: tuple[int, int, int] = (8, 30, 26)) -> np.ndarray:
    """A box with two tissues, noise in them and air around, (Z, Y, X)."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape, np.float32)
    box = tuple(slice(n // 8, n - n // 8) for n in shape)
    core = tuple(slice(n // 3, n - n // 3) for n in shape)
    image[box], image[core] = 500, 900
    noise = rng.normal(0, 30, shape).astype(np.float32)
    return np.clip(image + (image > 0) * noise, 0, None)


@pytest.fixture
def write_subject(tmp_path: Path) -> WriteSubject:
    """``write_subject("ann", ("T1", "T2"))``: files on one grid; a study of a job."""

    def write(
        name: str = "ann",
        contrasts: Sequence[str] = CONTRASTS,
        *,
        folder: Path | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> Mapping[str, str]:
        place = (folder or tmp_path / "subjects") / name
        place.mkdir(parents=True, exist_ok=True)
        truth = head(sum(name.encode()) if seed is None else seed, **options)
        study = {"subject": name}
        for contrast in contrasts:
            bends = {"T1": truth, "T2": 1500 - truth, "FLAIR": 30 * truth**0.5}
            image = np.where(truth > 0, bends.get(contrast, truth**2 / 1000), 0)
            path = place / f"{contrast}.nii.gz"
            sitk.WriteImage(sitk.GetImageFromArray(image.astype(np.float32)), str(path))
            study[contrast] = str(path)
        return study

    return write


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        epochs=2,
        steps_per_epoch=2,
        batch_size=2,
        learning_rate=1e-3,
        warmup_steps=1,
        n_threads=1,
        device="cpu",
        precision="fp32",
    )


@pytest.fixture
def network() -> NetworkConfig:
    return NetworkConfig(options=OPTIONS, inputs=CONTRASTS, outputs=CONTRASTS)


@pytest.fixture
def job(
    write_subject: WriteSubject, config: TrainConfig, network: NetworkConfig
) -> TrainJob:
    """Two epochs of two steps on ann; bob is held out."""
    studies = (write_subject("ann"), write_subject("bob"))
    data = DataConfig(studies=studies, held_out=("bob",))
    return TrainJob(id="tiny", title="Tiny", network=network, data=data, learn=config)


@pytest.fixture
def simulated_job(job: TrainJob, brick: Anatomy) -> TrainJob:
    """The same on made-up brains only: nobody is held out."""
    data = DataConfig(simulated_share=1.0, n_anatomies=1, n_lesions=1)
    return replace(job, data=data)


@pytest.fixture
def base(job: TrainJob, tmp_path: Path) -> ModelPack:
    """An installed-looking pack of the tiny network, to be fine-tuned."""
    import torch

    from napari_medsynth.engine.weights import state_to_numpy
    from napari_medsynth.training.card import fresh_card

    torch.manual_seed(7)
    card = replace(fresh_card(job, job.network), id="tiny-base", title="Tiny base")
    weights = state_to_numpy(build_model(card).state_dict())
    return write_pack(tmp_path / "base.safetensors", card, weights)


@pytest.fixture
def tuning_job(job: TrainJob, base: ModelPack) -> TrainJob:
    """Fine-tune `base` on ann; bob is held out."""
    return replace(job, base=str(base.path), network=None)


@pytest.fixture
def run_job(tmp_path: Path) -> RunJob:
    """``events, done = run_job(job, stop_at=3)``: train in ``tmp_path / "run"``."""
    from napari_medsynth.training import train

    def run(
        job: TrainJob,
        *,
        folder: Path | None = None,
        resume: bool = False,
        stop_at: int = 0,
    ) -> tuple[list[Any], Any]:
        steps = train(job, folder=folder or tmp_path / "run", resume=resume)
        events, command = [], None
        while True:
            try:
                events.append(steps.send(command))
            except StopIteration as finished:
                return events, finished.value
            command = None
            if stop_at and getattr(events[-1], "learning_rate", None) is not None:
                command = "stop" if events[-1].step == stop_at else None

    return run
