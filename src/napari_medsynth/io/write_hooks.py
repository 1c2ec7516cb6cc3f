"""The npe2 writer: File > Save Selected Layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .layer_data import volume_from_layer_data
from .modality import guess_modality
from .write import write_volume


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one image layer; without a known ending, as ``.nii.gz``.

    Raises
    ------
    VolumeError
        If the layer is no grey 2D or 3D image, or cannot be written there.
    """
    target = Path(path)
    if not target.suffix:
        target = target.with_name(f"{target.name}.nii.gz")
    guess = guess_modality(str(meta.get("name", "")))
    volume = volume_from_layer_data(data, meta, modality=guess)
    return [str(written) for written in write_volume(volume, target)]
