"""Open layers as a comparison of syntheses with a real image; its work in a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from napari.layers import Labels

from napari_medsynth.io.geometry import same_grid
from napari_medsynth.io.layer_data import ATTRIBUTES, volume_from_layer_data

from ._layers import layer_modality
from ._roles import Role, Shown, facts, shown_layers
from ._torch import load_torch, no_collection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_medsynth.evaluate import Declaration, Measured, Region
    from napari_medsynth.io import Volume

    VolumeOf = Callable[[], Volume]

PLANES = ("axial", "coronal", "sagittal")
_MOST_SOURCES = 4  # drawn in a report


class Scaling(NamedTuple):
    """How images are scaled before they are compared; arguments of `declare`."""

    kind: Literal["percentile", "window", "as is"] = "percentile"
    window: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be compared, taken from the layers at one moment.

    Volumes are made in the worker: large ones take time to convert.
    """

    truth: VolumeOf
    made: Mapping[str, VolumeOf]
    labels: Mapping[str, VolumeOf]
    sources: Mapping[str, VolumeOf]
    scaling: Scaling


@dataclass(frozen=True, eq=False)
class Comparison:
    """Numbers, and what they are numbers of.

    Parameters
    ----------
    truth : Volume
    made, sources : mapping
        Name of the layer to volume.
    regions : tuple of Region
        On the grid of `truth`.
    declaration : Declaration
    rows : tuple of Measured
        By synthesis, then by region.
    remarks : tuple of str
        What was done to the images, and why numbers are missing.
    """

    truth: Volume
    made: Mapping[str, Volume]
    sources: Mapping[str, Volume]
    regions: tuple[Region, ...]
    declaration: Declaration
    rows: tuple[Measured, ...]
    remarks: tuple[str, ...]


def truths_of(layers: Iterable[Layer]) -> list[Shown]:
    """Give the real images that a synthesis can be compared with, the likeliest first.

    Those whose contrast was made, then all others if anything was made at all.
    """
    shown = shown_layers(layers)
    if not any(s.role is Role.SYNTHESIS for s in shown):
        return []
    return [s for role in (Role.TRUTH, Role.SOURCE) for s in shown if s.role is role]


def syntheses_of(layers: Iterable[Layer], truth: Layer) -> list[Shown]:
    """Give what is compared with `truth`: syntheses of its contrast, else all."""
    made = [s for s in shown_layers(layers) if s.role is Role.SYNTHESIS]
    modality = layer_modality(truth)
    return [s for s in made if s.modality == modality] or made


def labels_of(layers: Iterable[Layer]) -> list[Labels]:
    """Give the labels that regions are made of: those that somebody drew or opened."""
    return [a for a in layers if isinstance(a, Labels) and not facts(a).get("role")]


def task_of(layers: Iterable[Layer], truth: Layer, scaling: Scaling) -> Task:
    """Take from the layers what a comparison with `truth` needs; in the GUI thread."""
    layers = list(layers)
    made = {s.layer.name: _later(s.layer) for s in syntheses_of(layers, truth)}
    direction = facts(truth).get("direction", np.eye(3).tolist())
    sources = [s.layer for s in shown_layers(layers) if s.role is Role.SOURCE]
    return Task(
        _later(truth),
        made,
        {a.name: _later(a, direction) for a in labels_of(layers)},
        {a.name: _later(a) for a in sources[:_MOST_SOURCES] if a != truth},
        scaling,
    )


def compare(task: Task) -> Generator[tuple[int, int], None, Comparison]:
    """Measure every synthesis in every region; yields slices done of how many."""
    yield 0, 0
    load_torch()
    with no_collection():
        import pyqtgraph  # noqa: F401  # for the plot: here it stalls no window

        from napari_medsynth.evaluate import (
            declare,
            labels_on,
            measure,
            regions_of,
            remarks_of,
        )

    truth = task.truth()
    labels = {name: labels_on(make(), truth) for name, make in task.labels.items()}
    regions = regions_of(truth, labels)
    declaration = declare(truth, *task.scaling)
    made = {name: make() for name, make in task.made.items()}
    rows: list[Measured] = []
    for number, (name, volume) in enumerate(made.items()):
        inside, remark = _where_made(volume, truth, regions)
        steps = measure(volume, truth, inside, declaration, model=name)
        measured = yield from _as_part(steps, number, len(made))
        note = (f"{name}: {remark}",) if remark else ()
        rows += [replace(row, notes=(*note, *row.notes)) for row in measured]
    sources = {name: make() for name, make in task.sources.items()}
    remarks = tuple(remarks_of(rows))
    return Comparison(truth, made, sources, regions, declaration, tuple(rows), remarks)


def _as_part(
    steps: Generator[tuple[int, int], None, tuple[Measured, ...]], number: int, n: int
) -> Generator[tuple[int, int], None, tuple[Measured, ...]]:
    """Run one of `n` measurements, counting the slices of all."""
    while True:
        try:
            done, total = next(steps)
        except StopIteration as finished:
            return tuple(finished.value)
        yield number * total + done, n * total


def profiles(
    comparison: Comparison, region: str, metric: str, plane: str
) -> Generator[None, None, dict[str, NDArray[np.float64]]]:
    """Measure every slice of every synthesis in one region: name to (n_slices,)."""
    from napari_medsynth.evaluate import slice_profile

    inside = next(r for r in comparison.regions if r.name == region)
    curves = {}
    for name, volume in comparison.made.items():
        yield
        (where,), _ = _where_made(volume, comparison.truth, (inside,))
        curves[name] = slice_profile(
            volume,
            comparison.truth,
            where,
            comparison.declaration,
            metric=metric,
            plane=plane,
        )
    return curves


def _where_made(
    volume: Volume, truth: Volume, regions: tuple[Region, ...]
) -> tuple[tuple[Region, ...], str]:
    """Leave out slices that were not synthesised, and say so.

    They hold background: compared with the real image, they would hide how good or bad
    those are that were made. A synthesis on another grid is compared as a whole.
    """
    made_by = volume.metadata.get("provenance") or {}
    span, plane = made_by.get("slices") or {}, made_by.get("plane")
    if plane not in PLANES or not same_grid(volume, truth):
        return regions, ""
    axis = PLANES.index(plane)
    first, last = span.get("first", 0), span.get("last", 0)
    n_slices = truth.data.shape[axis + 1]
    if span.get("number") != last - first + 1 or span["number"] >= n_slices:
        return regions, ""
    shown = np.zeros(n_slices, dtype=bool)
    shown[first : last + 1] = True
    shown = shown.reshape([-1 if i == axis else 1 for i in range(3)])
    remark = f"only {plane} slices {first} to {last} were made and are compared."
    return tuple(replace(r, mask=r.mask & shown) for r in regions), remark


def _later(layer: Layer, direction: Any = None) -> VolumeOf:
    """Take what places a layer now; its volume is made when it is called.

    Labels that were drawn lie in the world of the images around them: their direction.
    """
    meta = {name: getattr(layer, name) for name in ATTRIBUTES if name != "rgb"}
    meta["rgb"] = getattr(layer, "rgb", False)
    meta["affine"] = np.asarray(layer.affine.affine_matrix)
    if direction is not None:
        known = {"direction": direction, **facts(layer)}
        meta["metadata"] = {"medsynth": known}
    modality = "" if isinstance(layer, Labels) else layer_modality(layer)
    return partial(volume_from_layer_data, layer.data, meta, modality=modality)
