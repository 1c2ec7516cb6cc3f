"""Volume and Study: images of one subject, in millimetres of the LPS world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vector = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Volume:
    """An image on a regular grid, oriented along the LPS axes.

    Parameters
    ----------
    data : ndarray
        float32, shape (C, Z, Y, X). Z grows to superior, Y to posterior, X to left.
    spacing : tuple of float
        (dz, dy, dx) [mm], all above 0.
    origin : tuple of float
        (S, P, L) of voxel (0, 0, 0) [mm].
    direction : ndarray, optional
        (3, 3); column j is the unit vector, in (S, P, L), of array axis j of (Z, Y, X).
        Identity unless the scan is oblique.
    orientation : str
        Axis code of the file it came from, in SimpleITK's spelling ("LPS", "RAS", ...).
    modality : str
        "T1", "FLAIR", "CT", ...; "" if unknown.
    name : str
        What to call it in a list of layers.
    metadata : mapping
        Anything else. Known keys: ``path``, ``dtype`` (of the file), ``warnings``
        (list of sentences), ``synthetic`` (bool), ``provenance`` (dict).

    Raises
    ------
    VolumeError
        If the array is not 4D or the spacing is not positive.
    """

    data: NDArray[np.float32]
    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    orientation: str = "LPS"
    modality: str = ""
    name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data.ndim != 4:
            raise VolumeError(
                f"A volume needs an array of shape (C, Z, Y, X), got {self.data.shape}."
            )
        if not all(np.isfinite(self.spacing)) or min(self.spacing) <= 0:
            raise VolumeError(f"Spacing must be positive [mm], got {self.spacing}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        z, y, x = self.data.shape[1:]
        return z, y, x

    @property
    def is_synthetic(self) -> bool:
        return bool(self.metadata.get("synthetic", False))

    @property
    def warnings(self) -> list[str]:
        return list(self.metadata.get("warnings", ()))

    def with_data(self, data: NDArray[np.float32], **changes: Any) -> Volume:
        """Give a volume on the same grid with other voxels."""
        return replace(self, data=data, **changes)


@dataclass(frozen=True, eq=False)
class Study:
    """The volumes of one subject, one per modality.

    Parameters
    ----------
    volumes : mapping
        Modality to `Volume`.
    subject : str
        Identifier, "" if unknown.
    notes : tuple of str
        How the volumes came here: "T2 resampled to the grid of T1", ...
    """

    volumes: Mapping[str, Volume]
    subject: str = ""
    notes: tuple[str, ...] = ()

    def __getitem__(self, modality: str) -> Volume:
        try:
            return self.volumes[modality]
        except KeyError:
            have = ", ".join(self.volumes) or "nothing"
            raise VolumeError(f"The study has no {modality}; it has {have}.") from None

    def __contains__(self, modality: object) -> bool:
        return modality in self.volumes

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.volumes)
