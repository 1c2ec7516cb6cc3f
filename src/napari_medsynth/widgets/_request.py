"""A run as plain data: collected from layers in the GUI thread, run in a worker."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.io import Study

from ._layers import like, volume_from_layer
from ._torch import load_torch

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine import Progress, Result
    from napari_medsynth.io import Volume
    from napari_medsynth.trust.passport import Passport

    from .parts.options_box import RunOptions

_WIDEST_CT = (-1000.0, 2000.0)  # [HU] that a picture shows: more is metal
PLANE_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True, eq=False)
class Request:
    """Everything a run needs, without layers.

    Parameters
    ----------
    study : Study
        The sources.
    card : ModelCard
        The model.
    targets : tuple of str
        Modalities to make.
    place : mapping
        Arguments of ``add_image`` that lay a result over the first source.
    contrast_limits : mapping
        Target to (low, high).
    options : RunOptions
        Plane, device, precision, attention.
    slices : int, sequence of int or None
        Which slices along the plane's axis; None for all.
    results_folder : str
        Where to save results as NIfTI; "" for nowhere.
    passport : Passport or None
        What is known of the sources; None if nobody has looked at them yet.
    """

    study: Study
    card: ModelCard
    targets: tuple[str, ...]
    place: Mapping[str, Any]
    contrast_limits: Mapping[str, tuple[float, float]]
    options: RunOptions
    slices: int | tuple[int, ...] | None = None
    results_folder: str = ""
    passport: Passport | None = None

    @property
    def reference(self) -> Volume:
        """The source whose grid the result is on."""
        return self.study[self.study.modalities[0]]

    @property
    def axis(self) -> int:
        """Array axis that the plane's slices are numbered along."""
        return PLANE_AXES[self.options.plane]

    @property
    def n_slices(self) -> int:
        """How many slices the run makes."""
        if self.slices is None:
            return self.reference.shape[self.axis]
        return 1 if isinstance(self.slices, int) else len(self.slices)

    def index_of(self, point: Sequence[float]) -> int:
        """Give the slice that contains a world `point`, clipped to the volume."""
        scale, translate = self.place["scale"], self.place["translate"]
        world = float(point[-3:][self.axis]) if len(point) >= 3 else 0.0
        index = round((world - translate[self.axis]) / scale[self.axis])
        return int(np.clip(index, 0, self.reference.shape[self.axis] - 1))

    def of_slices(self, slices: int | tuple[int, ...] | None) -> Request:
        """Give the same request for other slices."""
        return replace(self, slices=slices)


def make_request(
    card: ModelCard,
    sources: Mapping[str, Layer],
    targets: tuple[str, ...],
    options: RunOptions,
    *,
    results_folder: str = "",
) -> Request:
    """Collect what a run of the whole volume needs.

    Raises
    ------
    VolumeError
        If a layer cannot be a source.
    """
    reference = next(iter(sources.values()))
    low, high = (float(limit) for limit in reference.contrast_limits)
    return Request(
        study=Study({m: volume_from_layer(layer) for m, layer in sources.items()}),
        card=card,
        targets=targets,
        place=like(reference),
        contrast_limits={m: _window(card, m) or (low, high) for m in targets},
        options=options,
        results_folder=results_folder,
    )


def chosen_slices(request: Request, point: Sequence[float]) -> Request:
    """Limit `request` to the slices that its options name.

    The slice at `point` comes first, so that what is on the screen is done first.
    """
    n_all = request.reference.shape[request.axis]
    options, current = request.options, request.index_of(point)
    if options.extent == "current":
        return request.of_slices(current)
    if options.extent == "selected":
        first, last = sorted((options.first, options.last))
        wanted = tuple(range(max(first, 0), min(last, n_all - 1) + 1))
    else:
        wanted = tuple(range(n_all))
    start = wanted.index(current) if current in wanted else 0
    return request.of_slices(wanted[start:] + wanted[:start])


def count_slices(layer: Layer, plane: str) -> int:
    """Give the number of slices that `layer` has along a plane's axis."""
    data = layer.data[0] if layer.multiscale else layer.data
    shape = (1, *data.shape)
    return int(shape[-3:][PLANE_AXES[plane]])


def run_request(request: Request) -> Generator[Progress, None, Result]:
    """Predict, look at the sources if nobody has, and save. For a worker thread.

    The result says in its provenance what was found out about the sources; it is saved
    if a folder was named.
    """
    result = _stamped(request, (yield from _predict(request)))
    if request.results_folder:
        yield from _save(request, result)
    return result


def preview_request(request: Request) -> Generator[Progress, None, Result]:
    """Predict, and leave nothing behind. For a worker thread."""
    return (yield from _predict(request))


def _stamped(request: Request, result: Result) -> Result:
    from napari_medsynth.trust.passport import inspect, stamped

    passport = request.passport or inspect(
        request.study,
        request.card,
        request.study.modalities,
        request.targets,
        plane=request.options.plane,
    )
    return stamped(result, passport)


def _predict(request: Request) -> Generator[Progress, None, Result]:
    load_torch()
    from napari_medsynth.engine import predict

    options = request.options
    return (
        yield from predict(
            request.study,
            request.card,
            targets=request.targets,
            plane=options.plane,
            slices=request.slices,
            device=options.device,
            precision=options.precision,
            attention=(options.attention,) if options.attention else (),
        )
    )


def _save(request: Request, result: Result) -> Generator[Progress, None, None]:
    """Write each volume to a new NIfTI file."""
    from napari_medsynth.engine import Progress
    from napari_medsynth.io.write import write_volume

    folder = Path(request.results_folder).expanduser()
    for modality, volume in result.volumes.items():
        path = new_path(folder, f"{modality}_synthetic_{request.card.id}")
        write_volume(volume, path)
        n = request.n_slices
        yield Progress(n, n, message=f"Saved as {path}.")


def new_path(folder: Path, stem: str) -> Path:
    """Give a path that does not exist yet."""
    number, path = 1, folder / f"{stem}.nii.gz"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.nii.gz"
    return path


def _window(card: ModelCard, modality: str) -> tuple[float, float] | None:
    """Give the display window that the card fixes for a modality, if any (CT)."""
    spec = card.intensity.get(modality, card.intensity.get("*", {}))
    if spec.get("kind") != "window":
        return None
    low, high = float(spec["low"]), float(spec["high"])
    if modality == "CT" and high - low > _WIDEST_CT[1] - _WIDEST_CT[0]:
        return max(low, _WIDEST_CT[0]), min(high, _WIDEST_CT[1])
    return low, high
