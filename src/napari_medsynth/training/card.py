"""The card of a network that was trained here."""

from __future__ import annotations

import os
import platform
from datetime import date

from napari_medsynth.catalogue import ModelCard

from .config import TrainConfig


def trained_card(config: TrainConfig, *, n_steps: int, seconds: float) -> ModelCard:
    """Describe the unified model that `config` trains, after `n_steps` in `seconds`."""
    n = len(config.modalities)
    return ModelCard(
        id=config.id,
        family=config.factory.partition(":")[0].rpartition(".")[2],
        task="synthesis",
        title=config.title,
        factory=config.factory,
        options={"in_channels": n, "out_channels": n, **config.options},
        inputs=config.modalities,
        outputs=config.modalities,
        is_unified=True,
        spacing=1.0,
        planes=config.planes,
        norm_statistics=config.norm_statistics,
        licence=config.licence,
        reference="https://arxiv.org/abs/2106.16031",
        training_data=config.training_data,
        limits=config.limits,
        training={
            "steps": n_steps,
            "batch_size": config.batch_size,
            "seed": config.seed,
            "precision": config.precision,
            "minutes": round(seconds / 60, 1),
            "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
            "date": date.today().isoformat(),
        },
    )
