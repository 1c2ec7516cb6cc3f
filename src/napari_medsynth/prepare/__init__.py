"""Make scans ready for a model: one grid, one place. No torch, no Qt."""

from .align import overlap, to_grid
from .features import Look, look_at
from .register import Misalignment, misalignment, register

__all__ = [
    "Look",
    "Misalignment",
    "look_at",
    "misalignment",
    "overlap",
    "register",
    "to_grid",
]
