"""A comparison as files: the numbers as CSV, all of it as one HTML page."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._measure import Comparison


def save_csv(comparison: Comparison, path: Path) -> Generator[None, None, Path]:
    """Write the numbers; steps for a worker.

    Raises
    ------
    VolumeError
        If the file cannot be written.
    """
    yield
    from napari_medsynth.evaluate import write_csv

    return write_csv(path, comparison.rows, comparison.declaration)


def save_report(
    comparison: Comparison, path: Path, plane: str, index: int | None
) -> Generator[None, None, Path]:
    """Write numbers, pictures of one slice, settings and provenance as one page.

    Parameters
    ----------
    plane : {"axial", "coronal", "sagittal"}
    index : int, optional
        Of the slice to draw, on the grid of the real image; without, the one that
        holds most of the last region.

    Raises
    ------
    VolumeError
        If the file cannot be written.
    """
    yield
    from napari_medsynth.evaluate import report_pictures, write_report

    truth = comparison.truth
    pictures = report_pictures(
        comparison.made,
        truth,
        comparison.regions,
        comparison.declaration,
        sources=comparison.sources,
        plane=plane,
        index=index,
    )
    yield
    return write_report(
        path,
        title=f"Synthetic {truth.modality or 'image'} against the real one",
        rows=comparison.rows,
        declaration=comparison.declaration,
        pictures=pictures,
        settings={
            "syntheses": ", ".join(comparison.made),
            "real image": truth.name,
            "regions": ", ".join(region.name for region in comparison.regions),
            "plane of the pictures": plane,
            "scaling": comparison.declaration.to_json(),
        },
        provenance={
            name: volume.metadata.get("provenance") or "unknown"
            for name, volume in comparison.made.items()
        },
    )
