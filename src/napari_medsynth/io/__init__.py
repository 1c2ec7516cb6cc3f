"""Image files <-> `Volume` and `Study`. No torch, no Qt."""

from .geometry import (
    itk_from_volume,
    layer_metadata,
    layer_transform,
    layer_tuple,
    same_grid,
    volume_from_itk,
)
from .modality import MODALITIES, guess_modality
from .read import read_study, read_volume, read_volumes
from .sidecar import read_sidecar
from .volume import Study, Volume
from .write import write_volume

__all__ = [
    "MODALITIES",
    "Study",
    "Volume",
    "guess_modality",
    "itk_from_volume",
    "layer_metadata",
    "layer_transform",
    "layer_tuple",
    "read_sidecar",
    "read_study",
    "read_volume",
    "read_volumes",
    "same_grid",
    "volume_from_itk",
    "write_volume",
]
