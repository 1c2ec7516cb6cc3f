"""Objectives that need a second generator, a critic per contrast, or stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import ModelCard, build_model
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig

from .critics import make_critic
from .cycle import Cycle
from .missing_modality import MissingModality
from .staged import Features, Staged


def make_other(
    config: TrainConfig,
    generator: nn.Module,
    fabric: Fabric,
    *,
    card: ModelCard,
    features: Features | None = None,
) -> Cycle | MissingModality | Staged:
    """Give the objective that `config` names, with fresh second networks.

    `check_recipe` has said what does not fit.

    Parameters
    ----------
    config, generator, fabric, card
        See `make_objective`.
    features : callable or None
        What objective staged compares, see `Staged`; the others need none.
    """
    n_inputs, n_outputs = len(card.inputs), len(card.outputs)
    if config.objective == "cycle":
        critics = (make_critic(config, n_outputs), make_critic(config, n_inputs))
        back = build_model(backwards(card))
        set_norm_statistics(back, card.norm_statistics)
        return Cycle(config, generator, back, fabric, critics=critics)
    if config.objective == "missing-modality":
        critic = make_critic(config, 2 * n_outputs, n_outputs=n_outputs)
        return MissingModality(config, generator, fabric, critic=critic)
    n_stages = card.scale.bit_length() - 1
    stages = [make_critic(config, n_outputs) for _ in range(n_stages)]
    return Staged(config, generator, fabric, critics=stages, features=features)


def backwards(card: ModelCard) -> ModelCard:
    """Give the card of the network that makes the inputs of another's outputs."""
    options: Mapping[str, object] = {
        **card.options,
        "in_channels": len(card.outputs),
        "out_channels": len(card.inputs),
    }
    return replace(card, inputs=card.outputs, outputs=card.inputs, options=options)
