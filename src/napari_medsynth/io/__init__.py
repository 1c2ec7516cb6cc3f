"""Image files <-> `Volume` and `Study`. No torch, no Qt."""

from .geometry import itk_from_volume, layer_transform, same_grid, volume_from_itk
from .volume import Study, Volume

__all__ = [
    "Study",
    "Volume",
    "itk_from_volume",
    "layer_transform",
    "same_grid",
    "volume_from_itk",
]
