"""Ways of learning: one optimisation step each."""

from .base import Losses, Objective
from .make import make_objective

__all__ = ["Losses", "Objective", "make_objective"]
