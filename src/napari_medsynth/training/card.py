"""The card of a network that was trained here."""

from __future__ import annotations

import os
import platform
from datetime import date
from typing import Any

from napari_medsynth.catalogue import ModelCard

from .job import NetworkConfig, TrainJob


def fresh_card(job: TrainJob, network: NetworkConfig) -> ModelCard:
    """Describe a network that is trained from scratch."""
    channels = {
        "in_channels": len(network.inputs),
        "out_channels": len(network.outputs),
    }
    return ModelCard(
        id=job.id,
        family=network.factory.partition(":")[0].rpartition(".")[2],
        task="synthesis",
        title=job.title,
        factory=network.factory,
        options={**channels, **network.options},
        inputs=network.inputs,
        outputs=network.outputs,
        is_unified=network.is_unified,
        spacing=1.0,
        planes=job.data.planes,
        norm_statistics=network.norm_statistics,
        licence=job.licence,
        reference="https://arxiv.org/abs/2106.16031",
        training_data=job.training_data,
        limits=job.limits,
    )


def recipe_facts(
    job: TrainJob, *, n_steps: int, seconds: float, parent: str, batch_size: int
) -> dict[str, Any]:
    """Give the recipe for ``ModelCard.training``; no names, no paths.

    Parameters
    ----------
    job : TrainJob
    n_steps : int
        Updates of the weights.
    seconds : float
        They took.
    parent : str
        sha256 of the base's weights; "" without one.
    batch_size : int
    """
    learn = job.learn
    return {
        "steps": n_steps,
        "batch_size": batch_size,
        "learning_rate": learn.learning_rate,
        "objective": learn.objective,
        "trained": learn.trained,
        "seed": learn.seed,
        "precision": learn.precision,
        "minutes": round(seconds / 60, 1),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "date": date.today().isoformat(),
        **({"parent": parent} if parent else {}),
    }
