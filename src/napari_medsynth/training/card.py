"""The card of a network that was trained here."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from datetime import date
from typing import Any

from napari_medsynth.catalogue import ModelCard, get_card

from .job import NetworkConfig, TrainJob

CONTRASTS = ("T1", "T2", "PD", "FLAIR")


def fresh_card(job: TrainJob, network: NetworkConfig) -> ModelCard:
    """Describe a network that is trained from scratch.

    Raises
    ------
    CardError
        If the card that `network` names does not exist.
    """
    about = {
        key: value
        for key in ("licence", "training_data", "limits")
        if (value := getattr(job, key))
    }
    if network.card:
        return _like(get_card(network.card), job, network, about)
    inputs, outputs = network.inputs or CONTRASTS, network.outputs or CONTRASTS
    channels = {"in_channels": len(inputs), "out_channels": len(outputs)}
    return ModelCard(
        id=job.id,
        family=network.factory.partition(":")[0].rpartition(".")[2],
        task="synthesis",
        title=job.title,
        factory=network.factory,
        options={**channels, **network.options},
        inputs=inputs,
        outputs=outputs,
        is_unified=inputs == outputs and len(inputs) > 1,
        spacing=1.0,
        planes=job.data.planes,
        norm_statistics=network.norm_statistics,
        reference="https://arxiv.org/abs/2106.16031",
        **about,
    )


def _like(
    card: ModelCard, job: TrainJob, network: NetworkConfig, about: dict[str, Any]
) -> ModelCard:
    """Describe the network of another card with fresh weights."""
    inputs, outputs = network.inputs or card.inputs, network.outputs or card.outputs
    colours = 3 if card.is_rgb else 1
    channels = {
        "in_channels": colours * len(inputs) * (2 * card.neighbours + 1),
        "out_channels": colours * len(outputs),
    }
    return replace(
        card,
        id=job.id,
        title=job.title,
        options={**card.options, **channels, **network.options},
        inputs=inputs,
        outputs=outputs,
        degradation=network.degradation or card.degradation,
        planes=job.data.planes,
        sha256="",
        quality=(),
        features={},
        **about,
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
