"""Open layers as the files of one subject, for a process that knows no layers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth.errors import VolumeError

from ._layers import volume_from_layer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medsynth.io import Volume

SUBJECT = "open layers"


def volumes_of(layers: Mapping[str, Layer]) -> dict[str, Volume]:
    """Give the volumes that layers show, by contrast; in the GUI thread.

    Raises
    ------
    VolumeError
        If one of them is no grey image along the axes.
    """
    return {contrast: volume_from_layer(layer) for contrast, layer in layers.items()}


def write_files(volumes: Mapping[str, Volume], folder: Path) -> dict[str, str]:
    """Write each volume as an uncompressed NIfTI file; give contrast to path.

    Raises
    ------
    VolumeError
        If one cannot be written.
    """
    from napari_medsynth.io.write import write_volume

    files = {contrast: folder / f"{contrast}.nii" for contrast in volumes}
    for contrast, volume in volumes.items():
        write_volume(volume, files[contrast])
    return {contrast: str(path) for contrast, path in files.items()}


def place_files(files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Have `files` in `folder` too, at once: linked where the disk allows it.

    Raises
    ------
    VolumeError
        If the folder cannot be written.
    """
    placed = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for contrast, name in files.items():
            target = folder / Path(name).name
            target.unlink(missing_ok=True)
            _link(Path(name), target)
            placed[contrast] = str(target)
    except OSError as err:
        raise VolumeError(
            f"The open layers could not be written to {folder}: {err.strerror}; check "
            "the folder and the free space."
        ) from err
    return placed


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)
