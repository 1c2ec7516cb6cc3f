"""Which command runs models of which task."""

from __future__ import annotations

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError

_COMMANDS = {"super-resolution": "super-resolve", "denoising": "denoise"}


def command_for(card: ModelCard) -> str:
    """Give the command that runs a model."""
    return _COMMANDS.get(card.task, "synthesize")


def check_command(card: ModelCard, command: str) -> None:
    """Refuse a model that another command runs.

    Raises
    ------
    CardError
        If so.
    """
    if command_for(card) != command:
        raise CardError(
            f"{card.title} is a model of {card.task}: use medsynth "
            f"{command_for(card)}, or choose another model."
        )
