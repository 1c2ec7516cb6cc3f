"""The marks that a synthetic file carries: header texts and a JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .volume import Volume

DESCRIPTION = "Synthetic image, not for diagnosis"
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_HEADER_START = "SYNTHETIC"


def sidecar_path(path: Path) -> Path:
    """Give ``scan.json`` for ``scan.nii.gz``."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.with_name(path.name[: -len(suffix)] + ".json")
    return path.with_suffix(".json")


def sidecar_text(volume: Volume) -> str:
    """Give the JSON that belongs beside the file of a synthetic volume."""
    fields = {
        "SyntheticData": True,
        "Description": DESCRIPTION,
        "Modality": volume.modality,
        **_origin(volume),
        "Provenance": volume.metadata.get("provenance", {}),
    }
    return json.dumps(fields, indent=2, default=_plain) + "\n"


def header_texts(volume: Volume) -> dict[str, str]:
    """Give the header entries of a synthetic volume; a NIfTI keeps the first only."""
    origin = _origin(volume)
    texts = {
        "ITK_FileNotes": f"{_HEADER_START} {origin['ModelId']}".strip()[:79],
        "SyntheticData": "true",
        "Description": DESCRIPTION,
        "ModelId": str(origin["ModelId"]),
        "ModelSHA256": str(origin["ModelSHA256"]),
    }
    return {key: text for key, text in texts.items() if text}


def read_sidecar(path: Path, header: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give the volume metadata that the marks of a synthetic file stand for.

    Parameters
    ----------
    path : Path
        The image, not the sidecar.
    header : mapping, optional
        Header texts of the image, as SimpleITK gives them: a mark in them counts too,
        so that a file which has lost its sidecar is still known to be synthetic.

    Returns
    -------
    dict
        ``{"synthetic": True, "provenance": {...}}``, or empty for a real scan.
    """
    fields = _read_json(sidecar_path(Path(path)))
    if fields.get("SyntheticData") is True:
        return {"synthetic": True, "provenance": dict(fields.get("Provenance") or {})}
    header = header or {}
    notes = header.get("ITK_FileNotes") or header.get("descrip") or ""
    if header.get("SyntheticData") == "true" or notes.startswith(_HEADER_START):
        model = header.get("ModelId") or notes.removeprefix(_HEADER_START).strip()
        return {"synthetic": True, "provenance": {"model": model}}
    return {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # none there, or of another program: no mark of ours
    return fields if isinstance(fields, dict) else {}


def _origin(volume: Volume) -> dict[str, Any]:
    """Model, weights, sources, targets and software, in BIDS-like spelling."""
    provenance = volume.metadata.get("provenance", {})
    software = provenance.get("software", "napari-medsynth")
    return {
        "ModelId": provenance.get("model", ""),
        "ModelSHA256": provenance.get("sha256", ""),
        "Sources": _source_names(provenance.get("sources", ())),
        "Targets": list(provenance.get("targets", (volume.modality,))),
        "SoftwareVersion": f"{software} {provenance.get('version') or _installed()}",
    }


def _source_names(sources: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """The file of each source, or its modality where it came from no file."""
    if not isinstance(sources, Mapping):
        return list(sources)
    files = {
        modality: entry.get("file", "") if isinstance(entry, Mapping) else str(entry)
        for modality, entry in sources.items()
    }
    return [file or modality for modality, file in files.items()]


def _installed() -> str:
    return version("napari-medsynth")


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
