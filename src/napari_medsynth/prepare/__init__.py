"""Make scans ready for a model: one grid. No torch, no Qt."""

from .align import to_grid

__all__ = ["to_grid"]
