"""The network that a configuration asks for."""

from __future__ import annotations

from torch import nn

from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.errors import CardError
from napari_medsynth.models.blocks import set_norm_statistics

from .card import trained_card
from .config import TrainConfig
from .start import sharp_start


def network_of(config: TrainConfig) -> nn.Module:
    """Build the network with fresh weights, see `sharp_start`.

    Raises
    ------
    CardError
        If the factory does not exist or does not take the options.
    """
    model = build_model(trained_card(config, n_steps=0, seconds=0.0))
    if not isinstance(model, nn.Module):
        raise CardError(f"{config.factory} must build an nn.Module, got {type(model)}.")
    sharp_start(model)
    set_norm_statistics(model, config.norm_statistics)
    return model
