"""How two images were scaled before they were compared: said beside every number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

Kind = Literal["percentile", "window", "as is"]
KINDS: tuple[Kind, ...] = ("percentile", "window", "as is")
_SPEC = {"kind": "percentile", "low": 1.0, "high": 99.5}
_LIBRARIES = ("napari-medsynth", "scikit-image", "numpy")


def _versions() -> dict[str, str]:
    return {library: version(library) for library in _LIBRARIES}


@dataclass(frozen=True)
class Declaration:
    """How both images were scaled, and the range that PSNR and SSIM refer to.

    Parameters
    ----------
    kind : {"percentile", "window", "as is"}
        - "percentile": each image by its own percentiles to [0, 1], because the unit of
          an MR image, and of a synthesis, is arbitrary; clipped;
        - "window": both clipped to ``[low, high]``, in their own unit (HU);
        - "as is": not touched.
    low, high : float
        In the unit of the real image: its percentiles, the window, its extremes.
    data_range : float
        Of the scaled images: 1 for percentiles, else ``high - low``.
    versions : mapping
        Library to version.
    """

    kind: Kind
    low: float
    high: float
    data_range: float
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def unit(self) -> str:
        """What MAE and RMSE are in."""
        return "share of the range" if self.kind == "percentile" else "image unit"

    @property
    def sentence(self) -> str:
        """All of it in words."""
        digits = 3 - math.floor(math.log10(self.high - self.low))
        low, high = (round(value, digits) + 0.0 for value in (self.low, self.high))
        span = f"{low:.15g} to {high:.15g}"
        how = {
            "percentile": "Each image was mapped to [0, 1] by its own percentiles (1 "
            "of all voxels, 99.5 of those above the mean; in the real image "
            f"{span}) and clipped",
            "window": f"Both images were clipped to the window {span}",
            "as is": f"Images were compared as they are (the real one spans {span})",
        }[self.kind]
        nmse = "" if self.kind == "as is" else " NMSE counts from the lower end."
        used = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{how}; data range {round(self.data_range, digits):.15g}; MAE and RMSE "
            f"in {_IN[self.kind]}.{nmse} {used}."
        )

    def scale(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Scale an image of either side as declared; float32, shape kept.

        Windowed and percentile-scaled images begin at 0; what is not finite becomes 0
        there, and stays what it is without scaling.
        """
        if self.kind == "as is":
            return np.asarray(array, np.float32)
        from napari_medsynth.engine import Normalisation, fit_normalisation

        if self.kind == "percentile":
            fitted = fit_normalisation(array, _SPEC)
        else:
            fitted = Normalisation(self.low, self.high)
        scaled = fitted.forward(array)
        scaled += np.float32(1.0)
        scaled *= np.float32(self.data_range / 2.0)
        return scaled

    def to_json(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "data_range": self.data_range,
            "versions": dict(self.versions),
        }


_IN = {
    "percentile": "shares of it",
    "window": "the images' unit",
    "as is": "the images' unit",
}


def declare(
    truth: Volume,
    kind: Kind = "percentile",
    window: tuple[float, float] | None = None,
) -> Declaration:
    """Decide how a synthesis and `truth` are scaled before they are compared.

    Parameters
    ----------
    truth : Volume
        The real image.
    kind : {"percentile", "window", "as is"}
    window : tuple of float, optional
        Lowest and highest value, for "window".

    Raises
    ------
    VolumeError
        If the kind is unknown, or a window is not two rising finite numbers, or an
        image that is compared as it is holds one value only.
    """
    if kind == "percentile":
        from napari_medsynth.engine import fit_normalisation

        fitted = fit_normalisation(truth.data, _SPEC)
        return Declaration(kind, fitted.low, fitted.high, 1.0)
    if kind == "window":
        low, high = window or (np.nan, np.nan)
        return _with_range(kind, low, high, "A window needs two rising numbers")
    if kind == "as is":
        finite = truth.data[np.isfinite(truth.data)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        return _with_range(kind, low, high, "The real image needs two values or more")
    raise VolumeError(f"The scaling must be one of {', '.join(KINDS)}, got {kind!r}.")


def _with_range(kind: Kind, low: float, high: float, need: str) -> Declaration:
    low, high = float(low), float(high)
    if not (np.isfinite([low, high]).all() and low < high):
        raise VolumeError(f"{need}, got {low:g} and {high:g}.")
    return Declaration(kind, low, high, high - low)
