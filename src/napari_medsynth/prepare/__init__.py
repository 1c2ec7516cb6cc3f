"""Make scans ready for a model: one grid, one place. No torch, no Qt."""

from .align import to_grid
from .register import Misalignment, misalignment, register

__all__ = ["Misalignment", "misalignment", "register", "to_grid"]
