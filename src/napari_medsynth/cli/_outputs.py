"""The files of one synthesis: their names, and writing all of them or none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, write_volume
from napari_medsynth.io.sidecar import SUFFIXES
from napari_medsynth.io.source import FILE_SUFFIXES


def image_name(target: str, model: str, suffix: str) -> str:
    """Name the file of a synthetic image: ``FLAIR_synthetic-<model>.nii.gz``."""
    return f"{target}_synthetic-{model}{suffix}"


def attention_name(kind: str, model: str, suffix: str) -> str:
    """Name the file of an attention volume: ``attention_rollout-art_1_<model>...``."""
    return f"attention_{kind.replace(' ', '-')}_{model}{suffix}"


def place_of(output: Path, image: Path, words: str) -> tuple[Path, str]:
    """Give folder and name of the one file that is made of a file.

    Parameters
    ----------
    output : Path
        A file if it has a known suffix, else a folder.
    image : Path
        What it is made of; its name and its suffix are kept in a folder.
    words : str
        Added to the name: "super-resolved-edsr-x2".

    Raises
    ------
    VolumeError
        If the output is a file of a kind that is only read: "fine.png".
    """
    if output.name.lower().endswith(SUFFIXES):
        return output.parent, output.name
    if output.name.lower().endswith(FILE_SUFFIXES) and not output.is_dir():
        raise VolumeError(
            f"{output.name} cannot be written: give a folder, or a file that ends in "
            f"{', '.join(SUFFIXES)}."
        )
    suffix = next((s for s in SUFFIXES if image.name.lower().endswith(s)), "")
    stem = image.name[: -len(suffix)] if suffix else image.stem
    return output, f"{stem}_{words}{suffix or '.nii.gz'}"


def check_absent(folder: Path, patterns: Iterable[str]) -> None:
    """Refuse to go on if files with these names, or glob patterns, are there.

    Raises
    ------
    VolumeError
        If one is.
    """
    for pattern in patterns:
        for path in folder.glob(pattern):
            raise VolumeError(
                f"{path} exists; give --overwrite to replace it, or another folder."
            )


def check_writable(folder: Path) -> None:
    """Refuse to go on if nothing can be written to `folder`, which need not exist.

    Raises
    ------
    VolumeError
        If so.
    """
    paths = (folder.absolute(), *folder.absolute().parents)
    there = next(path for path in paths if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise VolumeError(f"{folder} cannot be written to; choose another with -o.")


def write_all(volumes: dict[str, Volume], folder: Path) -> dict[str, Path]:
    """Write volumes by file name, each with its sidecar; all of them, or none.

    Raises
    ------
    VolumeError
        If one cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".medsynth-", dir=folder) as draft:
            written = [
                path
                for name, volume in volumes.items()
                for path in write_volume(volume, Path(draft, name))
            ]
            for path in written:
                path.replace(folder / path.name)
    except OSError as err:
        raise VolumeError(
            f"{folder} cannot be written to: {err.strerror}; choose another with -o."
        ) from err
    return {name: folder / name for name in volumes}
