"""What npe2 calls to open files: a cheap check first, then layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .dicom_scan import is_dicom, series_uid
from .geometry import layer_tuple
from .read import NO_SCAN, read_volumes, reader_of

if TYPE_CHECKING:
    from .volume import Volume

    Layers = list[tuple[Any, dict[str, Any], str]]
    Paths = str | Sequence[str]

_LOOKED_AT = 500
_SAMPLED = 1_000_000
_MOST_LABELS = 2**24  # float32 holds no larger ones


def get_reader(path: Paths) -> Callable[[Paths], Layers] | None:
    """Give `read_layers` if every path is one that we read, else None.

    Files are judged by their name, extensionless ones by 132 bytes; a folder is ours
    when one of its first files is DICOM or a volume.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    is_ours = bool(paths) and all(_is_readable(Path(p)) for p in paths)
    return read_layers if is_ours else None


def read_layers(path: Paths) -> Layers:
    """Read one or several paths into napari layers, and show what was odd.

    Files named as masks or segmentations become labels if they hold whole numbers, all
    others images.

    Raises
    ------
    VolumeError
        If any of them cannot be read. Files of one DICOM series are read once.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    volumes = _without_repeats(
        [v for p in _once_per_series(paths) for v in read_volumes(p)]
    )
    labels = {id(v) for v in volumes if _is_labels(v)}
    sentences = dict.fromkeys(
        s
        for v in volumes
        for s in v.warnings
        if not (id(v) in labels and "looks like a" in s)  # as it should
    )
    if sentences:
        from napari.utils.notifications import show_warning

        show_warning("\n".join(sentences))
    return [
        _labels_tuple(v)
        if id(v) in labels
        else layer_tuple(v, contrast_limits=contrast_limits(v))
        for v in volumes
    ]


def contrast_limits(volume: Volume) -> tuple[float, float]:
    """Give display limits that a few extreme voxels do not spoil.

    The 0.1st and the 99.8th percentile of the finite voxels; for CT -1000 to 1000 HU
    at most.
    """
    data = volume.data[0].ravel()
    sample = data[:: max(1, data.size // _SAMPLED)]
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (0.1, 99.8)))
    if volume.modality == "CT":
        low, high = max(low, -1000.0), min(max(high, low + 1), 1000.0)
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _is_labels(volume: Volume) -> bool:
    """Tell whether a file is named as a mask and holds numbers of regions."""
    data = volume.data
    if len(data) > 1 or not NO_SCAN.search(volume.name):
        return False
    low, high = float(data.min()), float(data.max())  # NaN fails what follows
    return low >= 0 and high < _MOST_LABELS and bool((data == np.rint(data)).all())


def _labels_tuple(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    data, options, _ = layer_tuple(volume)
    return data.astype(np.int32), options, "labels"


def _is_readable(path: Path) -> bool:
    if path.is_dir():
        files = (p for p in islice(path.rglob("*"), _LOOKED_AT) if p.is_file())
        return any(_is_volume(p) for p in files)
    return reader_of(path) is not None


def _is_volume(path: Path) -> bool:
    reader = reader_of(path)
    return reader is not None and reader.__name__ != "read_raster"


def _once_per_series(paths: Sequence[str]) -> list[Path]:
    """One file of each folder where the user chose many DICOM slices."""
    chosen: dict[tuple[Path, str], Path] = {}
    for name in paths:
        path = Path(name)
        key = (path, "")
        if len(paths) > 1 and path.is_file() and is_dicom(path):
            try:
                uid = series_uid(path)
            except VolumeError:
                uid = ""
            key = (path.parent, uid) if uid else key
        chosen.setdefault(key, path)
    return list(chosen.values())


def _without_repeats(volumes: list[Volume]) -> list[Volume]:
    """Number volumes that would carry the same layer name."""
    seen: dict[str, int] = {}
    named = []
    for volume in volumes:
        seen[volume.name] = seen.get(volume.name, 0) + 1
        n = seen[volume.name]
        named.append(replace(volume, name=f"{volume.name} ({n})") if n > 1 else volume)
    return named
