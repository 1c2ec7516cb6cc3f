"""Invertible maps between scanner units and the network's [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import CardError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MAX_SAMPLES = 1 << 20


@dataclass(frozen=True)
class Normalisation:
    """A straight line from [low, high] in the image's own unit to [-1, 1].

    Parameters
    ----------
    low, high : float
        Values that become -1 and 1; ``low < high``.
    kind : str
        How they were found: "percentile", "window" or "zscore".
    """

    low: float
    high: float
    kind: str = "window"

    def forward(self, array: ArrayLike) -> NDArray[np.float32]:
        """Map to [-1, 1], float32; what lies outside is clipped, NaN becomes -1."""
        scaled = np.array(array, dtype=np.float32)
        scaled -= np.float32(self.low)
        scaled *= np.float32(2.0 / (self.high - self.low))
        scaled -= np.float32(1.0)
        np.nan_to_num(scaled, copy=False, nan=-1.0, posinf=1.0, neginf=-1.0)
        return np.clip(scaled, -1.0, 1.0, out=scaled)

    def inverse(self, array: ArrayLike) -> NDArray[np.float32]:
        """Map [-1, 1] back to the image's unit, float32; NaN becomes `low`."""
        scaled = np.array(array, dtype=np.float32)
        np.nan_to_num(scaled, copy=False, nan=-1.0, posinf=1.0, neginf=-1.0)
        scaled += np.float32(1.0)
        scaled *= np.float32((self.high - self.low) / 2.0)
        scaled += np.float32(self.low)
        return scaled


def fit_normalisation(array: ArrayLike, spec: Mapping[str, Any]) -> Normalisation:
    """Fit the normalisation that a card asks for to one image.

    Parameters
    ----------
    array : array_like
        Any shape, any unit. Voxels that are not finite are ignored.
    spec : mapping
        ``kind`` and its settings:

        - "percentile" (the default): `low` is the percentile ``low`` (1) of all voxels;
          `high` the percentile ``high`` (99.5) of the voxels above their mean, which
          makes it independent of how much air surrounds the head; 0 and 100 are the
          lowest and the highest of all voxels;
        - "window": ``low`` and ``high`` in the image's unit, for CT [HU];
        - "zscore": mean and standard deviation of the voxels above the overall mean,
          ``n_std`` (3) of them on each side.

    Returns
    -------
    Normalisation
        A constant or empty image gives one that maps it to -1.

    Raises
    ------
    CardError
        If the kind is unknown or a window is not two rising numbers.

    Notes
    -----
    Images above a million voxels are fitted on every n-th voxel, always the same ones.
    """
    kind = str(spec.get("kind", "percentile"))
    if kind not in _FITS:
        known = ", ".join(_FITS)
        raise CardError(f"The intensity kind must be one of {known}, got {kind!r}.")
    low, high = _FITS[kind](array, spec)
    if not high > low:
        high = low + 1.0
    return Normalisation(low, high, kind)


def intensity_spec(
    intensity: Mapping[str, Mapping[str, Any]], modality: str
) -> Mapping[str, Any]:
    """Give a card's normalisation of one modality, else its "*", else percentiles."""
    return intensity.get(modality, intensity.get("*", {"kind": "percentile"}))


def _percentile(array: ArrayLike, spec: Mapping[str, Any]) -> tuple[float, float]:
    low, high = spec.get("low", 1.0), spec.get("high", 99.5)
    values = _samples(array)
    # Of all voxels, not of samples: whoever asks for the full range wants no clipping.
    ends = _range(array) if low == 0 or high == 100 else (0.0, 0.0)
    return (
        ends[0] if low == 0 else float(np.percentile(values, low)),
        ends[1] if high == 100 else float(np.percentile(_above_mean(values), high)),
    )


def _window(array: ArrayLike, spec: Mapping[str, Any]) -> tuple[float, float]:
    low: Any = spec.get("low")
    high: Any = spec.get("high")
    are_numbers = isinstance(low, int | float) and isinstance(high, int | float)
    if not are_numbers or not low < high:
        raise CardError(
            f"A window needs two rising numbers low and high, got {low!r} and {high!r}."
        )
    return float(low), float(high)


def _zscore(array: ArrayLike, spec: Mapping[str, Any]) -> tuple[float, float]:
    values = _above_mean(_samples(array)).astype(np.float64)
    reach = float(spec.get("n_std", 3.0)) * float(values.std())
    return float(values.mean()) - reach, float(values.mean()) + reach


_FITS: dict[str, Callable[[ArrayLike, Mapping[str, Any]], tuple[float, float]]] = {
    "percentile": _percentile,
    "window": _window,
    "zscore": _zscore,
}


def _samples(array: ArrayLike) -> NDArray[np.float32]:
    """Finite voxels, every n-th if there are very many; one 0 if there are none."""
    image = np.asarray(array)
    step = -(-image.size // _MAX_SAMPLES) | 1  # odd: does not lock onto one column
    values = np.asarray(image.flat[::step], dtype=np.float32)
    values = values[np.isfinite(values)]
    return values if values.size else np.zeros(1, np.float32)


def _range(array: ArrayLike) -> tuple[float, float]:
    """The lowest and the highest finite voxel; 0 if there is none."""
    image = np.asarray(array)
    is_finite = np.isfinite(image)
    if not is_finite.any():
        return 0.0, 0.0
    low = np.min(image, where=is_finite, initial=np.inf)
    return float(low), float(np.max(image, where=is_finite, initial=-np.inf))


def _above_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    bright = values[values > values.mean(dtype=np.float64)]
    return bright if bright.size else values
