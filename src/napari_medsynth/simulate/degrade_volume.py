"""Whole volumes: what a worse scan would have been, and what networks see of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Volume

from .degrade import Spec, check_spec, degrade, draw_spec, factor_of
from .downsample import cubic_enlargement

AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
_TITLES = {
    "downsample": "low resolution",
    "thick-slices": "thick slices",
    "low-dose": "low dose",
    "rician": "noisy",
}
# Interpolated magnitudes fall a little below 0, as a share of the largest.
_UNDERSHOOT = 0.1


def degrade_volume(
    volume: Volume, spec: Spec, rng: np.random.Generator, *, plane: str = "axial"
) -> Volume:
    """Give the scan that a worse protocol would have given.

    Parameters
    ----------
    volume : Volume
        Any number of channels; HU for "low-dose".
    spec : mapping
        See ``simulate/degrade.py``. Ranges are drawn once: all slices are alike.
    rng : Generator
        Source of randomness.
    plane : {"axial", "coronal", "sagittal"}
        Of the slices whose rows and columns the factor refers to. Thick slices are
        always axial ones, whatever it says.

    Returns
    -------
    Volume
        On a coarser grid if there is a factor; what does not fill a coarse voxel is cut
        off at the far end. The ``provenance`` of its metadata says how it was made.

    Raises
    ------
    CardError
        If `spec` is wrong, the plane is unknown or the volume is too small.
    VolumeError
        If magnitudes would be taken of an image with negative values, such as HU.
    """
    check_spec(spec)
    drawn = draw_spec(spec, rng)
    _check_sign(volume, drawn)
    axis = _axis(plane)
    if drawn["kind"] == "thick-slices" and axis == 0:
        axis = AXIS["coronal"]  # rows of coronal and of sagittal slices are Z
    pixel = float(np.mean(np.delete(volume.spacing, axis)))
    channels = [
        np.stack(
            [
                degrade(slice_, drawn, rng, spacing=pixel)
                for slice_ in np.moveaxis(channel, axis, 0)
            ],
            axis=axis,
        )
        for channel in volume.data
    ]
    factor = np.insert(factor_of(drawn), axis, 1)
    metadata = {key: value for key, value in volume.metadata.items() if key != "dtype"}
    made = {"degradation": {**drawn, "plane": plane}}
    return _on_grid(
        volume,
        np.stack(channels),
        factor,
        name=f"{volume.name} ({_TITLES[drawn['kind']]})".strip(),
        metadata={**metadata, "provenance": {**metadata.get("provenance", {}), **made}},
    )


def present_volume(
    coarse: Volume,
    card: ModelCard,
    *,
    plane: str = "axial",
    factor: float | None = None,
) -> Volume:
    """Give a volume on the fine grid, as the network of `card` is to see it.

    Parameters
    ----------
    coarse : Volume
        A scan of low resolution, or of any other fault that `card` restores.
    card : ModelCard
        Of restoration: a scale above 1 repeats voxels; 1 interpolates by Keys' cubic.
    plane : {"axial", "coronal", "sagittal"}
        Of the slices that the network is to be run on.
    factor : float, optional
        Instead of the rows' factor of the degradation, for networks of scale 1; any
        number of 1 or more. The grid covers the same area with the nearest whole number
        of rows.

    Returns
    -------
    Volume
        On the area of `coarse`; `coarse` itself if there is nothing to enlarge.

    Raises
    ------
    CardError
        If the plane is unknown, or the factor does not fit the scale of the network.
    """
    axis = _axis(plane)
    wanted: list[float] = list(factor_of(card.degradation))
    if card.scale > 1:
        if factor not in (None, card.scale):
            raise CardError(
                f"{card.id} enlarges {card.scale} times, not {factor:g} times: choose "
                "another model."
            )
        wanted = [card.scale, card.scale]
    elif factor is not None:
        if not 1 <= factor < float("inf"):
            raise CardError(f"The factor must be 1 or more, got {factor:g}.")
        # What the network does not enlarge itself, it does not enlarge here.
        wanted = [factor if f > 1 or max(wanted) == 1 else 1 for f in wanted]
    factors = np.insert(np.array(wanted, float), axis, 1)
    sizes = [max(1, round(n * f)) for n, f in zip(coarse.shape, factors, strict=True)]
    if tuple(sizes) == coarse.shape:
        return coarse
    data = coarse.data
    for i, size in enumerate(sizes, start=1):
        if card.scale > 1:
            data = data.repeat(size // data.shape[i], axis=i)
        elif size != data.shape[i]:
            data = cubic_enlargement(data, size, i)
    return _on_grid(coarse, data, np.divide(coarse.shape, sizes))


def _check_sign(volume: Volume, drawn: Spec) -> None:
    """Refuse to turn negative values over: the noise and k-space of MR are positive."""
    is_thick = drawn["kind"] == "thick-slices"
    takes_magnitude = (
        drawn["kind"] == "rician"
        or drawn.get("method") == "kspace"
        or (is_thick and drawn["noise"] > 0)
    )
    if not takes_magnitude:
        return
    values = volume.data[np.isfinite(volume.data)]
    if not values.size or values.min() >= -_UNDERSHOOT * values.max():
        return
    other = "no noise" if is_thick else "method area or bicubic, or kind low-dose"
    raise VolumeError(
        f"This is made for magnitudes, as of MR, and the image has values down to "
        f"{values.min():g}: choose {other}."
    )


def _on_grid(volume: Volume, data: Any, factor: Any, **changes: Any) -> Volume:
    """Give `data` with voxels `factor` times as large, its first corner unmoved."""
    spacing = np.multiply(volume.spacing, factor)
    step = (spacing - volume.spacing) / 2
    s, p, left = (np.asarray(volume.origin) + volume.direction @ step).tolist()
    dz, dy, dx = spacing.tolist()
    return volume.with_data(
        np.ascontiguousarray(data, np.float32),
        spacing=(dz, dy, dx),
        origin=(s, p, left),
        **changes,
    )


def _axis(plane: str) -> int:
    if plane not in AXIS:
        raise CardError(f"The plane must be one of {', '.join(AXIS)}, got {plane!r}.")
    return AXIS[plane]
