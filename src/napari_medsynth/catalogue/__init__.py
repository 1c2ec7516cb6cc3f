"""What can be run: cards, packs and the registry. No torch, no Qt."""

from .card import TASKS, ModelCard

__all__ = ["TASKS", "ModelCard"]
