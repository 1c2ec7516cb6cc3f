"""How a worse image is made of a good one: `ModelCard.degradation`, carried out.

A degradation is plain data, ``{"kind": ..., ...}``. Numbers may be ``[low, high]``:
then one in between is drawn for each image.

- ``downsample``: ``factor`` [rows, columns]; ``method`` "area", "bicubic" or "kspace";
  ``noise``
- ``thick-slices``: ``factor`` [f, 1], rows are Z; ``profile`` "gaussian" or "box";
  ``noise``
- ``low-dose``, of HU: ``dose`` (share of the full one), ``photons`` (per detector pixel
  and view at full dose), ``electronic`` (sd [photon]), ``spacing`` [mm]
- ``rician``: ``sigma``

``noise`` and ``sigma`` are standard deviations, as a share of the 99.5 percentile of
the image: Gaussian after "area" and "bicubic"; complex, before the magnitude is taken,
for MR (the others).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.errors import CardError

from .artefacts import rician
from .downsample import (
    bicubic_reduction,
    block_mean,
    crop_to_multiple,
    cubic_enlargement,
    gaussian_slices,
    kspace_crop,
    repeat,
)
from .low_dose import LowDose

Array = NDArray[np.float32]
Spec = Mapping[str, Any]

METHODS = ("area", "bicubic", "kspace")
PROFILES = ("gaussian", "box")
LOUDEST = 99.5  # [percentile] that noise is a share of

# The numbers of each kind: default (None: needed), lowest and highest value.
_NOISE = (0.0, 0.0, 10.0)
_NUMBERS: dict[str, dict[str, tuple[float | None, float, float]]] = {
    "downsample": {"noise": _NOISE},
    "thick-slices": {"noise": _NOISE},
    "low-dose": {
        "dose": (None, 1e-4, 1.0),
        "photons": (1e6, 1.0, 1e12),
        "electronic": (10.0, 0.0, 1e6),
        "spacing": (1.0, 1e-3, 100.0),
    },
    "rician": {"sigma": (None, 0.0, 10.0)},
}
_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "downsample": {"method": METHODS},
    "thick-slices": {"profile": PROFILES},
}
KINDS = tuple(_NUMBERS)


def degrade(
    image: NDArray[np.floating],
    spec: Spec,
    rng: np.random.Generator,
    *,
    spacing: float | None = None,
) -> Array:
    """Make the worse image.

    Parameters
    ----------
    image : ndarray
        (H, W), any unit, HU for "low-dose". Pixels that are not finite count as the
        lowest finite one.
    spec : mapping
        See the module.
    rng : Generator
        Source of randomness; equal ones give equal images.
    spacing : float, optional
        Pixel size [mm], for "low-dose": a large body absorbs more. That of `spec`
        without it.

    Returns
    -------
    ndarray
        float32, (H // rows, W // columns) of `factor_of`, in the unit of `image`.

    Raises
    ------
    CardError
        If `spec` is wrong, or the image is smaller than one coarse pixel.
    """
    check_spec(spec)
    drawn = draw_spec(spec, rng)
    factor = factor_of(drawn)
    if np.ndim(image) != 2 or np.any(np.less(image.shape, factor)):
        raise CardError(
            f"A degradation by {factor[0]} x {factor[1]} needs an image (H, W) of at "
            f"least that size, got {np.shape(image)}."
        )
    clean = crop_to_multiple(_finite(image), factor)
    if drawn["kind"] == "low-dose":
        scanner = LowDose(
            clean,
            photons=drawn["photons"],
            electronic=drawn["electronic"],
            spacing=spacing or drawn["spacing"],
        )
        return scanner.draw(drawn["dose"], rng)
    if drawn["kind"] == "rician":
        return rician(clean, drawn["sigma"] * _loudest(clean), rng)
    return _coarse(clean, drawn, rng)


def presented(coarse: NDArray[np.floating], spec: Spec, *, scale: int) -> Array:
    """Give a degraded image on the fine grid, as networks of a card get it.

    Parameters
    ----------
    coarse : ndarray
        (h, w), of `degrade`.
    spec : mapping
        Of the same degradation.
    scale : int
        `ModelCard.scale`. Above 1, the factor of `spec` in both directions: each pixel
        is repeated. 1: bicubic enlargement (Keys' cubic, edges replicated), or the
        image itself if the factor is 1.

    Returns
    -------
    ndarray
        float32, (h rows, w columns), on the area of `coarse`.

    Raises
    ------
    CardError
        If the scale does not fit the factor.
    """
    rows, columns = factor_of(spec)
    image = np.asarray(coarse, np.float32)
    if scale > 1:
        if (rows, columns) != (scale, scale):
            raise CardError(
                f"A network of scale {scale} needs a degradation of factor "
                f"[{scale}, {scale}], got [{rows}, {columns}]."
            )
        return repeat(image, (rows, columns))
    for axis, factor in enumerate((rows, columns)):
        if factor > 1:
            image = cubic_enlargement(image, image.shape[axis] * factor, axis)
    return image


def factor_of(spec: Spec) -> tuple[int, int]:
    """Give how many fine rows and columns make a coarse pixel; (1, 1) if all do.

    Raises
    ------
    CardError
        If it is not two whole numbers of 1 or more.
    """
    if spec.get("kind") not in _WORDS:
        return 1, 1
    factor = spec.get("factor")
    if (
        not isinstance(factor, list | tuple)
        or len(factor) != 2
        or not all(type(n) is int and n >= 1 for n in factor)
    ):
        raise CardError(
            "The factor of a degradation must be two whole numbers of 1 or more, rows "
            f"and columns, got {factor!r}."
        )
    rows, columns = factor
    return rows, columns


def check_spec(spec: Spec) -> None:
    """Say what is wrong with a degradation.

    Raises
    ------
    CardError
        One sentence.
    """
    kind = str(spec.get("kind", ""))
    if kind not in _NUMBERS:
        kinds = ", ".join(KINDS)
        raise CardError(f"A degradation's kind must be one of {kinds}, got {kind!r}.")
    words = _WORDS.get(kind, {})
    numbers = _NUMBERS[kind]
    known = {"kind", *words, *numbers, *(("factor",) if words else ())}
    unknown = [key for key in spec if key not in known]
    if unknown:
        raise CardError(
            f"A degradation of kind {kind} has no {unknown[0]!r}; it has "
            f"{', '.join(sorted(known - {'kind'}))}."
        )
    _, columns = factor_of(spec)
    if kind == "thick-slices" and columns != 1:
        raise CardError(f"Thick slices need a factor [f, 1], got {spec['factor']!r}.")
    for key, choices in words.items():
        if spec.get(key, choices[0]) not in choices:
            raise CardError(
                f"{key} of a degradation of kind {kind} must be one of "
                f"{', '.join(choices)}, got {spec[key]!r}."
            )
    for key, (default, low, high) in numbers.items():
        if not _is_number_or_range(spec.get(key, default), low, high):
            raise CardError(
                f"{key} of a degradation of kind {kind} must be a number from {low:g} "
                f"to {high:g}, or [lowest, highest], got {spec.get(key)!r}."
            )


def draw_spec(spec: Spec, rng: np.random.Generator) -> dict[str, Any]:
    """Fill in defaults, and draw a number from each range, evenly.

    Many images (all slices of a scan) can then be degraded alike.
    """
    kind = str(spec["kind"])
    drawn: dict[str, Any] = {"kind": kind}
    for key, choices in _WORDS.get(kind, {}).items():
        drawn |= {"factor": list(factor_of(spec)), key: spec.get(key, choices[0])}
    for key, (default, _, _) in _NUMBERS[kind].items():
        value = spec.get(key, default)
        is_range = isinstance(value, list | tuple)
        drawn[key] = float(rng.uniform(*value)) if is_range else float(value)
    return drawn


def _coarse(clean: Array, spec: Spec, rng: np.random.Generator) -> Array:
    """Reduce an image whose sides are multiples of the factor, and add noise."""
    method = spec.get("method") or spec["profile"]
    reduce = _REDUCTIONS[method]
    image: NDArray[Any] = clean
    for axis, factor in enumerate(spec["factor"]):
        if factor > 1:
            image = reduce(image, factor, axis)
    sigma = spec["noise"] * _loudest(clean)
    if method in ("area", "bicubic"):
        if sigma:
            image = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        return np.asarray(image, np.float32)
    if sigma:
        parts = rng.standard_normal((2, *image.shape), dtype=np.float32)
        image = image + np.float32(sigma) * (parts[0] + 1j * parts[1])
    elif method != "kspace":
        return np.asarray(image, np.float32)
    return np.abs(image).astype(np.float32)


_REDUCTIONS = {
    "area": block_mean,
    "bicubic": bicubic_reduction,
    "kspace": kspace_crop,
    "gaussian": gaussian_slices,
    "box": block_mean,
}


def _finite(image: NDArray[np.floating]) -> Array:
    values = np.asarray(image, np.float32)
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    lowest = values[is_finite].min() if is_finite.any() else np.float32(0)
    return np.where(is_finite, values, lowest)


def _loudest(clean: Array) -> float:
    """Give what noise is a share of; 0 for an image without positive values."""
    return max(0.0, float(np.percentile(clean, LOUDEST)))


def _is_number_or_range(value: Any, low: float, high: float) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    if isinstance(value, list | tuple) and len(value) != 2:
        return False
    is_number = all(isinstance(v, int | float) and type(v) is not bool for v in values)
    return is_number and low <= values[0] <= values[-1] <= high
