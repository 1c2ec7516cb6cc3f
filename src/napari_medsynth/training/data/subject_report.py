"""What is known of one subject after a look at its scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_NUMBERS = ("low", "high", "shift", "turn", "similarity")


@dataclass(frozen=True)
class ContrastReport:
    """What one contrast of a subject is like.

    Parameters
    ----------
    low, high : float
        Percentiles 1 and 99.5, in the unit of the file.
    shift, turn : float
        How far it lies off the first contrast [mm], [degree].
    similarity : float
        To the first contrast: normalised mutual information, 1 to 2.
    orientation : str
        Axis code of the file.
    spacing : tuple of float
        (dz, dy, dx) [mm].
    shape : tuple of int
        (Z, Y, X).
    """

    low: float
    high: float
    shift: float
    turn: float
    similarity: float
    orientation: str
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class SubjectReport:
    """What one subject is like.

    Parameters
    ----------
    name : str
    role : {"train", "held out", "unusable"}
    contrasts : mapping
        Of those that can be read.
    n_slices : int
        Slices in the card's first plane that show more than background.
    spacing : tuple of float
        Of the first contrast, (dz, dy, dx) [mm]; zeros if there is none.
    problems : tuple of str
        One sentence each.
    thumbnails : mapping
        uint8 (h, w) by contrast; not in `to_json`.
    """

    name: str
    role: str
    contrasts: Mapping[str, ContrastReport]
    n_slices: int
    spacing: tuple[float, float, float]
    problems: tuple[str, ...] = ()
    thumbnails: Mapping[str, Picture] = field(
        default_factory=dict, compare=False, repr=False
    )

    def to_json(self) -> dict[str, Any]:
        """Give all but the thumbnails as JSON values."""
        contrasts = {
            name: {
                **{key: round(float(getattr(one, key)), 4) for key in _NUMBERS},
                "orientation": one.orientation,
                "spacing": _rounded(one.spacing),
                "shape": list(one.shape),
            }
            for name, one in self.contrasts.items()
        }
        return {
            "name": self.name,
            "role": self.role,
            "contrasts": contrasts,
            "n_slices": self.n_slices,
            "spacing": _rounded(self.spacing),
            "problems": list(self.problems),
        }


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(float(value), 3) for value in values]
