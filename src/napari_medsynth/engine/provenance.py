"""What made a synthetic image: plain data that travels with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from napari_medsynth import __version__

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume

    from .sources import Sources

RELATIVE_UNITS = "Intensities are relative: {target} has the scale of {reference}."


def describe(
    card: ModelCard,
    sources: Sources,
    *,
    targets: Sequence[str],
    plane: str,
    slices: Sequence[int],
    device: str,
    precision: str,
    tile: int = 0,
    messages: Sequence[str] = (),
) -> dict[str, Any]:
    """Give the provenance of one prediction as JSON values.

    `slices` are indices along the plane's axis; `tile` is the side of the tiles that
    they were run in, 0 if whole; `messages` what happened on the way. Files are named
    without their folders, which may tell who the patient is.
    """
    notes = [*sources.notes, *messages]
    if plane not in card.planes:
        trained = ", ".join(card.planes)
        notes.append(f"The model was trained on {trained} slices, not {plane} ones.")
    reference = next(iter(sources.volumes))
    notes += [
        RELATIVE_UNITS.format(target=target, reference=reference)
        for target in targets
        if sources.unit_of(target) is sources.normalisations[reference]
        and not card.is_restoration
    ]
    return {
        "software": "napari-medsynth",
        "version": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": card.id,
        "model_title": card.title,
        "sha256": card.sha256,
        "targets": list(targets),
        "sources": {m: _source(volume) for m, volume in sources.volumes.items()},
        "synthetic_sources": [m for m, v in sources.volumes.items() if v.is_synthetic],
        "missing": [m for m in card.inputs if m not in sources.volumes],
        "reference": reference,
        "plane": plane,
        "slices": _span(slices),
        "device": device,
        "precision": precision,
        "norm_statistics": card.norm_statistics,
        "tile": tile,
        "notes": notes,
    }


def _source(volume: Volume) -> dict[str, str]:
    path = volume.metadata.get("path", "")
    return {"name": volume.name, "file": PurePath(str(path)).name if path else ""}


def _span(slices: Sequence[int]) -> dict[str, int]:
    return {"first": min(slices), "last": max(slices), "number": len(slices)}
