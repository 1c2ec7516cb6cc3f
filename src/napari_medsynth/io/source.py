"""What is known about an image file before its voxels are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .modality import guess_modality
from .sidecar import read_sidecar

FILE_SUFFIXES = (
    ".nii.gz",
    ".img.gz",
    ".hdr.gz",
    ".nii",
    ".hdr",
    ".img",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".mgz",
    ".mgh",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
    ".dcm",
    ".ima",
)
_SECONDS = ("EchoTime", "RepetitionTime", "InversionTime")


@dataclass
class Source:
    """Where an array came from and what is known about it.

    Parameters
    ----------
    path : Path
        File or folder that the user gave.
    name, modality, dtype : str
        Of the volume to be made; `dtype` is that of the file.
    warnings : list of str
        Sentences so far; readers append.
    extra : dict
        More metadata: ``synthetic``, ``provenance``, ...
    """

    path: Path
    name: str
    modality: str = ""
    dtype: str = ""
    warnings: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.path.name

    def warn(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def renamed(self, name: str, modality: str) -> Source:
        """Give the same source under another name, with warnings of its own."""
        return Source(
            self.path, name, modality, self.dtype, list(self.warnings), dict(self.extra)
        )


def stem_of(path: Path) -> str:
    """Give the name of a file without its (possibly double) image suffix."""
    lower = path.name.lower()
    suffix = next((s for s in FILE_SUFFIXES if lower.endswith(s)), "")
    return path.name[: len(path.name) - len(suffix)] or path.name


def source_of(path: Path, header: Mapping[str, str] | None = None) -> Source:
    """Start the `Source` of an image file: name, modality, synthetic or not.

    Parameters
    ----------
    path : Path
        The image; the modality is that of its name, else of the BIDS sidecar beside it,
        else of its folder. A map that a model wrote, of no modality, stays that.
    header : mapping, optional
        Texts of the file's header, which may mark it as synthetic.
    """
    name, tags = stem_of(path), _bids_tags(path)
    modality = guess_modality(name) or guess_modality("", tags)
    modality = modality or guess_modality(path.resolve().parent.name)
    if tags.get("SyntheticData") is True and tags.get("Modality") == "":
        modality = ""
    return Source(path, name, modality, extra=read_sidecar(path, header))


def _bids_tags(path: Path) -> dict[str, Any]:
    """DICOM-like tags of the JSON file beside an image; times from [s] to [ms]."""
    file = path.with_name(f"{stem_of(path)}.json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    is_number = {k: isinstance(v, int | float) for k, v in content.items()}
    return {
        key: value * 1000 if key in _SECONDS and is_number[key] else value
        for key, value in content.items()
    }
