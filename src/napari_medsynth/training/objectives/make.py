"""The objective that a configuration names."""

from __future__ import annotations

from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.training.check_recipe import check_recipe
from napari_medsynth.training.config import TrainConfig

from .base import Objective
from .gan import Adversarial, judged_channels
from .others import make_other
from .perceptual import make_features
from .supervised import Supervised


def make_objective(
    config: TrainConfig,
    generator: nn.Module,
    fabric: Fabric,
    *,
    card: ModelCard,
    targets: tuple[str, ...] = (),
) -> Objective:
    """Give the objective that `config` names.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        The network; only its parameters that require gradients are trained.
    fabric : Fabric
        Device, precision and processes.
    card : ModelCard
        What the channels of the network are.
    targets : tuple of str
        Outputs that are learnt; () for all.

    Raises
    ------
    CardError
        If the objective does not suit the card.
    WeightsError
        If the perceptual loss has a weight, but not the published weights of VGG.
    """
    check_recipe(config, card)
    features = make_features(config, card, fabric.device)
    if config.objective in ("cycle", "missing-modality", "staged"):
        return make_other(config, generator, fabric, card=card, features=features)
    if config.objective == "gan":
        channels = judged_channels(card, targets)
        return Adversarial(
            config, generator, fabric, channels=channels, features=features
        )
    return Supervised(config, generator, fabric, features=features)
