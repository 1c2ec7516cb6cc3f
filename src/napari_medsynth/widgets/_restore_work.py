"""A restoration as plain data: collected in the GUI thread, run in a worker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.io import Study

from ._layers import over
from ._request import PLANE_AXES, Request, new_path
from ._restore_scores import Comparison, compared
from ._torch import load_torch
from .parts.options_box import RunOptions
from .parts.restore_box import THICK, RestoreOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine import Progress, Result
    from napari_medsynth.io import Volume

_SLAB = 4  # slices that are made worse between two looks at Cancel


@dataclass(frozen=True, eq=False)
class RestoreRequest:
    """Everything a restoration needs, without layers.

    Parameters
    ----------
    load : callable
        Gives the image, in the worker.
    card : ModelCard
        The model.
    place : mapping
        ``like(layer)`` of the image.
    contrast_limits : tuple of float
        How the image is shown.
    options : RestoreOptions
    point : tuple of float
        What the viewer shows, in its world.
    truth : callable or None
        Gives the original of a test image.
    results_folder : str
        Where to save the result as NIfTI; "" for nowhere.
    """

    load: Callable[[], Volume]
    card: ModelCard
    place: Mapping[str, Any]
    contrast_limits: tuple[float, float]
    options: RestoreOptions
    point: tuple[float, ...] = ()
    truth: Callable[[], Volume] | None = None
    results_folder: str = ""

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes of the slices that the model works on, as far as it is known."""
        if self.options.plane is not None:
            return (self.options.plane,)
        if self.card.degradation.get("kind") == THICK:
            return ("coronal", "sagittal")
        return self.card.planes[:1]


@dataclass(frozen=True, eq=False)
class Begun:
    """The image as it was interpolated: where the result will be.

    Parameters
    ----------
    request : Request
        Says where the layer lies and how it is shown.
    data : ndarray
        (Z, Y, X), float32; yours to keep.
    name : str
        What the result is to be called.
    """

    request: Request
    data: NDArray[np.float32]
    name: str


@dataclass(frozen=True, eq=False)
class Restored:
    """What a restoration made.

    Parameters
    ----------
    volume : Volume
    reference : Volume
        The image, with `place`: where other volumes lie over its layer.
    maps : mapping
        "residual" and "noise" to volumes, as far as they were wanted.
    noise : tuple of float
        Noise level before and after, in the unit of the image; () if not denoised.
    comparison : Comparison or None
        With the original, if there is one.
    """

    volume: Volume
    reference: Volume
    maps: Mapping[str, Volume]
    noise: tuple[float, ...] = ()
    comparison: Comparison | None = None


def run_restore(
    request: RestoreRequest,
) -> Generator[Begun | Progress, None, Restored]:
    """Restore, measure and save. For a worker thread."""
    load_torch()
    from napari_medsynth.engine import interpolated

    volume, options = request.load(), request.options
    plain = interpolated(
        volume, request.card, factor=options.factor, plane=options.plane
    )
    shown = _shown(request, volume, plain)
    slices = _slices(request, shown)
    yield Begun(shown, plain.data[0].copy(), _name(volume, request.card))
    result = yield from _restore(request, volume, slices)
    made = result.volumes[request.card.outputs[0]]
    comparison = None
    if request.truth is not None:
        yield from _note(shown, "Comparing with the original\N{HORIZONTAL ELLIPSIS}")
        chosen = slices if isinstance(slices, int) else None
        comparison = compared(
            request.truth(), plain, made, request.card, axis=shown.axis, index=chosen
        )
    maps, noise = _noise(request, volume, made)
    if request.results_folder:
        yield from _note(shown, f"Saved as {_save(request, made)}.")
    return Restored(made, volume, maps, noise, comparison)


def make_worse(
    load: Callable[[], Volume], spec: Mapping[str, Any], plane: str, seed: int = 0
) -> Generator[float, None, tuple[Volume, Volume]]:
    """Give an image and a worse one; yields how much is done. For a worker thread."""
    from napari_medsynth.simulate import check_spec, degrade_volume, draw_spec

    yield 0.0
    check_spec(spec)
    volume = load()
    is_thick = spec["kind"] == THICK and plane == "axial"
    axis = PLANE_AXES["coronal" if is_thick else plane]
    rng, n = np.random.default_rng(seed), volume.shape[axis]
    drawn = draw_spec(spec, rng)  # once: all slices are alike
    slabs = []
    for first, slab in _slabs(volume, axis):
        slabs.append(degrade_volume(slab, drawn, rng, plane=plane))
        yield min(first + _SLAB, n) / n
    data = np.concatenate([slab.data for slab in slabs], axis=axis + 1)
    return volume, slabs[0].with_data(data)


def _slabs(volume: Volume, axis: int) -> Iterator[tuple[int, Volume]]:
    """Cut a volume across an axis; all pieces keep the origin of the first."""
    for first in range(0, volume.shape[axis], _SLAB):
        wanted = np.arange(first, min(first + _SLAB, volume.shape[axis]))
        yield first, volume.with_data(volume.data.take(wanted, axis=axis + 1))


def _restore(
    request: RestoreRequest, volume: Volume, slices: int | tuple[int, ...] | None
) -> Generator[Progress, None, Result]:
    from napari_medsynth.engine import restore

    options = request.options
    return (
        yield from restore(
            volume,
            request.card,
            factor=options.factor,
            plane=options.plane,
            slices=slices,
            device=options.device,
            precision=options.precision,
            tile=options.tile,
        )
    )


def _shown(request: RestoreRequest, volume: Volume, plain: Volume) -> Request:
    """Give where the result will be, in the terms of a layer that is being filled."""
    name = volume.modality or request.card.outputs[0]
    return Request(
        study=Study({name: plain}),
        card=request.card,
        targets=(name,),
        place=over(plain, volume, request.place),
        contrast_limits={name: request.contrast_limits},
        options=RunOptions(plane=request.planes[0]),
    )


def _slices(request: RestoreRequest, shown: Request) -> int | tuple[int, ...] | None:
    """Give the slices to run, the one on the screen first; None for all."""
    current = shown.index_of(request.point)
    if request.options.extent == "current":
        return current
    if len(request.planes) > 1:
        return None
    n = shown.reference.shape[shown.axis]
    return (*range(current, n), *range(current))


def _note(shown: Request, message: str) -> Generator[Progress, None, None]:
    from napari_medsynth.engine import Progress

    n = shown.reference.shape[shown.axis]
    yield Progress(n, n, message=message)


def _noise(
    request: RestoreRequest, volume: Volume, made: Volume
) -> tuple[dict[str, Volume], tuple[float, ...]]:
    """Say how much noise there was and is, and where it was."""
    if request.card.task != "denoising":
        return {}, ()
    from napari_medsynth.engine import noise_level, noise_map, residual

    maps = {}
    options = request.options
    if options.has_residual or options.has_noise_map:
        taken = residual(volume, made)
        maps = {"residual": taken} if options.has_residual else {}
        if options.has_noise_map:
            maps["noise"] = noise_map(taken)
    return maps, (noise_level(volume), noise_level(made))


def _name(volume: Volume, card: ModelCard) -> str:
    done = "denoised" if card.task == "denoising" else "super-resolved"
    return f"{volume.name or card.outputs[0]} ({done}: {card.title})"


def _save(request: RestoreRequest, made: Volume) -> Path:
    from napari_medsynth.io.write import write_volume

    folder = Path(request.results_folder).expanduser()
    stem = f"{made.modality or 'image'}_restored_{request.card.id}"
    path = new_path(folder, stem.replace(" ", "-"))
    write_volume(made, path)
    return path
