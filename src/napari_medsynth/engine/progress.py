"""What a running prediction yields, and what it returns."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume


@dataclass(frozen=True, eq=False)
class Progress:
    """State of a prediction after one batch of slices.

    Parameters
    ----------
    done, total : int
        Slices finished, slices asked for.
    slices : tuple of int
        Indices of the slices that this step finished, along the plane's axis.
    partial : mapping
        Target modality to float32 array (n, H, W), one image per entry of `slices`, in
        the unit of the result, on the reference grid. Yours to keep.
    message : str
        One sentence when something changed (smaller batch, other device), else "".
    tiles : tuple of int
        Of slices that are in work and run in tiles: tiles done, and all of them.
    """

    done: int
    total: int
    slices: tuple[int, ...] = ()
    partial: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    message: str = ""
    tiles: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Result:
    """What a finished prediction made.

    Parameters
    ----------
    volumes : mapping
        Target modality to synthetic `Volume` on the grid of the reference source.
    attention : mapping
        "rollout art_1", ... to low-resolution `Volume`, laid over the anatomy by its
        spacing and origin. Empty if none was asked for.
    provenance : mapping
        JSON values: what made the volumes, of what, with which settings.
    """

    volumes: Mapping[str, Volume]
    attention: Mapping[str, Volume] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def exhausted(steps: Generator[Any, Any, Any]) -> Any:
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value
