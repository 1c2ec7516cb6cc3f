"""restore: a better image of the same thing, on a finer grid or with less noise."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.io import Study, Volume
from napari_medsynth.simulate import factor_of, present_volume

from .predict import predict
from .progress import Progress, Result
from .slices import PLANES

__all__ = ["interpolated", "restore"]

_DONE = {"super-resolution": "super-resolved", "denoising": "denoised"}
_NAMES = tuple(PLANES)
# How much longer than its height a voxel must be for the slices to be others than the
# axial ones.
_CLEARLY = 1.2


def restore(
    volume: Volume,
    card: ModelCard,
    *,
    factor: float | None = None,
    plane: str | None = None,
    slices: int | Iterable[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    model: nn.Module | None = None,
) -> Generator[Progress, None, Result]:
    """Make the image that a card's model restores: super-resolution, or denoising.

    Thick slices ("thick-slices" in the card's degradation) are made thinner along the
    axis with the largest spacing, on slices of both planes that contain it; the result
    is the mean of both.

    Parameters
    ----------
    volume : Volume
        (1, Z, Y, X): a radiograph has Z = 1. NaN counts as background. [HU] for CT.
    card : ModelCard
        Of restoration; its weights come from the registry.
    factor : float, optional
        How many times finer thick slices become; that of the card's degradation by
        default. Other models know one factor only.
    plane : {"axial", "coronal", "sagittal"}, optional
        How to cut slices. The first of the card's planes by default; for thick slices,
        both that contain their axis.
    slices : int or iterable of int, optional
        Indices along the axis of `plane`; all by default. The others hold the input, as
        it was interpolated to the finer grid.
    device, precision, model : str, str, Module
        See `predict`.
    tile : int, optional
        Side of the tiles that larger slices are run in [pixel of the result]; 0 runs
        them whole. The card's by default.

    Yields
    ------
    Progress
        As `predict`. Of thick slices, ``partial`` stays empty unless one plane is run.

    Returns
    -------
    Result
        One volume, by the card's output: finite, float32, in the unit and on the area
        of `volume`, in register with it. What lies outside of the range that the
        network sees, such as metal beyond a CT window, stays what it was. Provenance
        has ``task``, ``factor`` along (Z, Y, X), ``planes`` and ``tile``.

    Raises
    ------
    CardError
        If the card does not restore, or not by this factor.
    EngineError
        If thick slices are to be made thinner on slices that do not contain their axis
        or where there is only one, and as `predict`.
    VolumeError, WeightsError, DeviceMemoryError
        As `predict`.
    """
    way = _way(volume, card, plane)
    if slices is not None and len(way.planes) > 1:
        raise EngineError("Choose a plane too: slices are numbered along its axis.")
    shown = way.presented(volume, card, factor)
    steps = _run_planes(
        shown,
        card,
        way.planes,
        {
            "slices": slices,
            "device": device,
            "precision": precision,
            "tile": tile,
            "model": model,
        },
        is_seen=len(way.planes) == 1 and way.axis == 0,
    )
    data, provenance = yield from steps
    return _result(volume, card, way, shown.with_data(data), provenance)


def interpolated(
    volume: Volume,
    card: ModelCard,
    *,
    factor: float | None = None,
    plane: str | None = None,
) -> Volume:
    """Give `volume` on the grid of its restoration by cubic interpolation alone.

    What a network must be better than; `volume` itself if nothing is enlarged.
    Parameters and errors as `restore`.
    """
    way = _way(volume, card, plane)
    if card.scale > 1:
        way.presented(volume, card, factor)  # refuses a wrong factor
        factor = None
    made = _turned(way.presented(volume, replace(card, scale=1), factor), way.axis)
    if made is volume:
        return volume
    name = f"{volume.name} (cubic interpolation)".strip()
    return made.with_data(made.data, name=name)


@dataclass(frozen=True)
class _Way:
    """Which axis comes first, and the planes to run then."""

    axis: int
    planes: tuple[str, ...]

    def presented(
        self, volume: Volume, card: ModelCard, factor: float | None
    ) -> Volume:
        """Give the volume on its finer grid, `axis` first."""
        if factor_of(card.degradation) != (1, 1):
            volume = _without_gaps(volume)
        elif factor not in (None, 1):
            raise CardError(f"{card.title} enlarges nothing: leave the factor out.")
        turned = _turned(volume, self.axis)
        return present_volume(turned, card, plane=self.planes[0], factor=factor)

    def real_planes(self) -> list[str]:
        """Name the planes as they lie in the volume."""
        order = [0, 1, 2]
        order[0], order[self.axis] = self.axis, 0
        return [_NAMES[order[PLANES[plane]]] for plane in self.planes]


def _way(volume: Volume, card: ModelCard, plane: str | None) -> _Way:
    if not card.is_restoration:
        raise CardError(
            f"{card.title} makes another contrast and restores nothing: choose a model "
            "of super-resolution or denoising."
        )
    if plane is not None and plane not in PLANES:
        known = ", ".join(PLANES)
        raise EngineError(f"The plane must be one of {known}, got {plane!r}.")
    if card.degradation["kind"] != "thick-slices":
        return _Way(0, (plane or card.planes[0],))
    if min(volume.shape) < 2:
        raise EngineError(
            f"{card.title} makes the slices of a volume thinner, and this image is a "
            "single slice: choose a model that makes pixels smaller."
        )
    thickest = int(np.argmax(volume.spacing))
    is_other = volume.spacing[thickest] > _CLEARLY * volume.spacing[0]
    way = _Way(thickest if is_other else 0, ("coronal", "sagittal"))
    if plane is None:
        return way
    real = way.real_planes()
    if plane not in real:
        raise EngineError(
            f"Slices of {max(volume.spacing):g} mm are made thinner on {real[0]} or "
            f"{real[1]} slices, not on {plane} ones."
        )
    return _Way(way.axis, (way.planes[real.index(plane)],))


def _turned(volume: Volume, axis: int) -> Volume:
    """Exchange the first axis and another; twice gives the volume again."""
    if axis == 0:
        return volume
    order = [0, 1, 2]
    order[0], order[axis] = axis, 0
    a, b, c = (volume.spacing[i] for i in order)
    return volume.with_data(
        np.ascontiguousarray(volume.data.swapaxes(1, axis + 1)),
        spacing=(a, b, c),
        direction=volume.direction[:, order],
    )


def _without_gaps(volume: Volume) -> Volume:
    """Fill what is not finite with the lowest value: interpolation would spread it."""
    is_finite = np.isfinite(volume.data)
    if is_finite.all():
        return volume
    lowest = volume.data[is_finite].min() if is_finite.any() else 0.0
    return volume.with_data(np.where(is_finite, volume.data, np.float32(lowest)))


def _run_planes(
    shown: Volume,
    card: ModelCard,
    planes: tuple[str, ...],
    settings: dict[str, Any],
    *,
    is_seen: bool,
) -> Generator[Progress, None, tuple[Any, dict[str, Any]]]:
    """Give the mean of what is made on slices of each plane, and its provenance."""
    study = Study({card.inputs[0]: shown})
    before, total = 0, 0
    if len(planes) > 1:
        total = sum(shown.shape[PLANES[plane]] for plane in planes)
    mean = np.zeros(shown.data.shape, np.float32)
    notes: list[str] = []
    provenance: dict[str, Any] = {}
    for plane in planes:
        steps = predict(study, card, targets=card.outputs, plane=plane, **settings)
        result: Result = yield from _shifted(steps, before, total, is_seen)
        mean += next(iter(result.volumes.values())).data / np.float32(len(planes))
        provenance = dict(result.provenance)
        notes += provenance["notes"]
        before += shown.shape[PLANES[plane]]
    return mean, provenance | {"notes": list(dict.fromkeys(notes))}


def _shifted(
    steps: Generator[Progress, None, Result], before: int, total: int, is_seen: bool
) -> Generator[Progress, None, Result]:
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        if total:
            step = replace(step, done=before + step.done, total=total)
        yield step if is_seen else replace(step, slices=(), partial={})


def _result(
    volume: Volume, card: ModelCard, way: _Way, made: Volume, provenance: dict[str, Any]
) -> Result:
    made = _turned(made, way.axis)
    factor = [
        round(b / a, 4) for a, b in zip(made.spacing, volume.spacing, strict=True)
    ]
    provenance |= {
        "task": card.task,
        "factor": factor,
        "plane": way.real_planes()[0],
        "planes": way.real_planes(),
    }
    done = _DONE.get(card.task, "restored")
    if max(factor) > 1:
        done = f"{done} x{max(factor):g}"
    base = volume.name or volume.modality or card.outputs[0]
    result = replace(
        made,
        modality=volume.modality or card.outputs[0],
        name=f"{base} ({done}: {card.title or card.id})",
        metadata={"synthetic": True, "provenance": provenance},
    )
    return Result({card.outputs[0]: result}, {}, provenance)
