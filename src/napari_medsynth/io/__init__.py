"""Image files <-> `Volume` and `Study`. No torch, no Qt."""

from .geometry import (
    itk_from_volume,
    layer_metadata,
    layer_transform,
    layer_tuple,
    same_grid,
    volume_from_itk,
)
from .sidecar import read_sidecar
from .volume import Study, Volume
from .write import write_volume

__all__ = [
    "Study",
    "Volume",
    "itk_from_volume",
    "layer_metadata",
    "layer_transform",
    "layer_tuple",
    "read_sidecar",
    "same_grid",
    "volume_from_itk",
    "write_volume",
]
