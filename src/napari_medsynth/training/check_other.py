"""What objectives with second generators, maps or stages cannot do with a network."""

from __future__ import annotations

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError

from .config import TrainConfig

GAN_LOSSES = ("least-squares", "cross-entropy", "hinge", "wasserstein")
CRITICS = {
    "cycle": ("patch", "pixel"),
    "missing-modality": ("mm-gan",),
    "staged": ("patch", "pixel"),
}


def check_other(config: TrainConfig, card: ModelCard) -> None:
    """Refuse what cycle, missing-modality and staged cannot do with a network.

    Raises
    ------
    CardError
        If the critic, its loss, or the card does not suit the objective.
    """
    name = config.objective
    if name not in CRITICS:
        return
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
