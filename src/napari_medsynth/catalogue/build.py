"""From a card to its network: which factories a card may name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from napari_medsynth.errors import CardError

from .adapter import adapt
from .card import ModelCard
from .providers import provider_packages

if TYPE_CHECKING:
    from torch import nn

_MODELS = "napari_medsynth.models"


def build_model(card: ModelCard) -> nn.Module:
    """Make the network of `card`, with fresh weights.

    It takes and gives images in [-1, 1] on one grid, whatever its own range, channels
    and scale are (`adapt`); its keys are its own.

    A pack is data from somewhere and must not name code at will: a factory is an
    ``nn.Module`` of ``napari_medsynth.models`` or of an installed provider's package.

    Raises
    ------
    CardError
        If the factory is unknown or does not take the card's options.
    """
    from torch import nn

    factory = _factory_of(card)
    if not (isinstance(factory, type) and issubclass(factory, nn.Module)):
        raise CardError(
            f"Card {card.id}: {card.factory} is not a network (nn.Module); the card or "
            "its provider needs an update."
        )
    try:
        network = factory(**card.options)
    except (TypeError, ValueError) as err:
        raise CardError(
            f"Card {card.id}: {card.factory} does not take its options: {err}."
        ) from err
    low, high = card.value_range
    return adapt(network, low=low, high=high, is_rgb=card.is_rgb, scale=card.scale)


def _factory_of(card: ModelCard) -> object:
    """Import what the card's factory string names."""
    module_name, _, name = card.factory.partition(":")
    package = module_name.partition(".")[0]
    is_ours = module_name.startswith(f"{_MODELS}.")
    if not is_ours and package not in provider_packages():
        raise CardError(
            f"Card {card.id} needs the unknown factory {card.factory!r}; update "
            "napari-medsynth or install the package that provides it."
        )
    try:
        return getattr(import_module(module_name), name)
    except (ImportError, AttributeError) as err:
        raise CardError(
            f"Card {card.id} needs the factory {card.factory!r}, which cannot be "
            f"imported ({err}); update napari-medsynth or the package that provides it."
        ) from err
