"""Objectives that need a second generator, a critic per contrast, or stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import ModelCard, build_model
from napari_medsynth.errors import CardError
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.config import TrainConfig

from .critics import make_critic
from .cycle import Cycle
from .missing_modality import MissingModality
from .staged import Features, Staged

GAN_LOSSES = ("least-squares", "cross-entropy", "hinge", "wasserstein")
CRITICS = {
    "cycle": ("patch", "pixel"),
    "missing-modality": ("mm-gan",),
    "staged": ("patch", "pixel"),
}


def check_other(config: TrainConfig, card: ModelCard) -> None:
    """Refuse what an objective cannot do with the network of a card.

    Raises
    ------
    CardError
    """
    name = config.objective
    if config.gan_loss not in GAN_LOSSES:
        raise CardError(
            f"objective {name} knows no gradient penalty: choose a gan_loss of "
            f"{', '.join(GAN_LOSSES)}."
        )
    critics = CRITICS[name]
    if config.critic not in critics:
        raise CardError(
            f"objective {name} needs critic {' or '.join(critics)}, got "
            f"{config.critic}."
        )
    if name == "cycle":
        _check_cycle(config, card)
    elif name == "missing-modality" and not card.is_unified:
        raise CardError(
            "objective missing-modality needs a unified model, whose inputs are its "
            f"outputs: {card.title} makes {', '.join(card.outputs)} of "
            f"{', '.join(card.inputs)}."
        )
    elif name == "staged" and card.scale < 2:
        raise CardError(
            "objective staged needs a network that enlarges in stages (scale 2, 4 or "
            f"8): {card.title} has scale {card.scale}."
        )


def _check_cycle(config: TrainConfig, card: ModelCard) -> None:
    shared = sorted(set(card.inputs) & set(card.outputs))
    if shared:
        raise CardError(
            "objective cycle needs inputs that are no outputs: "
            f"{', '.join(shared)} would be both."
        )
    if card.neighbours or card.scale > 1:
        raise CardError(
            f"objective cycle needs one slice in and one out, and {card.title} takes "
            f"{'neighbouring slices' if card.neighbours else 'fewer pixels'}."
        )
    if config.identity_weight and len(card.inputs) != len(card.outputs):
        raise CardError(
            "objective cycle with identity_weight needs as many inputs as outputs, got "
            f"{len(card.inputs)} and {len(card.outputs)}: set identity_weight = 0."
        )


def make_other(
    config: TrainConfig,
    generator: nn.Module,
    fabric: Fabric,
    *,
    card: ModelCard,
    features: Features | None = None,
) -> Cycle | MissingModality | Staged:
    """Give the objective that `config` names, with fresh second networks.

    Parameters
    ----------
    config, generator, fabric, card
        See `make_objective`.
    features : callable or None
        What objective staged compares, see `Staged`; the others need none.

    Raises
    ------
    CardError
        If it does not suit the card.
    """
    check_other(config, card)
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
