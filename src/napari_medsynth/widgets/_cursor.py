"""Where the mouse is in the patient, and what every layer shows there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_medsynth.io.geometry import origin_from_translate
from napari_medsynth.io.layer_data import mm_per_unit

from ._layers import layer_modality
from ._roles import facts
from ._watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

_EVERY = 50  # ms from the first movement to the reading
# Letters of S, P and L [mm] at or above 0 and below 0; spoken in reverse order.
_LETTERS = (("S", "I"), ("P", "A"), ("L", "R"))
_OTHER_ANGLE = 1e-3  # difference of direction cosines
_UNITS = {"CT": "HU"}
_UNKNOWN_AXES = "Not opened by MedSynth: its axes are taken to be S, P, L."
_NO_LENGTH = "The image has no voxel size: position in voxels, not in the patient."
_OBLIQUE = "Oblique scan, shown straight: this is its true position."
_CHANGES = (
    *("position", "point", "ndisplay", "active"),
    *("inserted", "removed", "reordered", "visible", "name", "data", "metadata"),
)
_OTHER_ANGLES = "Layers were scanned at different angles: the position is that of {}."


@dataclass(frozen=True)
class Reading:
    """What one layer shows at a point.

    Parameters
    ----------
    name : str
        Of the layer.
    text : str
        Value of the nearest voxel and its unit; "" outside of the layer.
    is_visible : bool
    """

    name: str
    text: str
    is_visible: bool


@dataclass(frozen=True)
class Spot:
    """What is known of the point under the mouse.

    Parameters
    ----------
    position : str
        "12.3 mm L, 4.0 mm A, 30.1 mm S"; "" if no image is open or the view is 3D.
    note : str
        What to know of the position; "" if it is as it looks.
    readings : tuple of Reading
        The topmost layer first.
    """

    position: str = ""
    note: str = ""
    readings: tuple[Reading, ...] = ()

    def line(self) -> str:
        """Write it on one line, to be pasted: hidden layers are left out."""
        shown = [f"{r.name}: {r.text}" for r in self.readings if r.is_visible]
        values = "; ".join(text for text in shown if not text.endswith(": "))
        return " | ".join(part for part in (self.position, values) if part)


def spot_under(viewer: ViewerModel) -> Spot:
    """Read the point under the mouse of `viewer`, in the slice that is shown."""
    layers = [layer for layer in viewer.layers if isinstance(layer, Image | Labels)]
    layers.reverse()
    if viewer.dims.ndisplay == 3:
        empty = tuple(Reading(layer.name, "", layer.visible) for layer in layers)
        return Spot("", "In 3D, no single voxel is under the mouse.", empty)
    point = _point(viewer)
    reference = _reference(layers, viewer.layers.selection.active)
    readings = tuple(
        Reading(layer.name, _text(layer, point), layer.visible) for layer in layers
    )
    if reference is None:
        return Spot(readings=readings)
    return Spot(_position(point, reference), _note(layers, reference), readings)


def in_directions(position: Sequence[float]) -> str:
    """Write a position (S, P, L) [mm] with the patient's directions.

    "12.3 mm L, 4.0 mm A, 30.1 mm S": left of, in front of and above the origin of the
    scanner. What is not a number is left out.
    """
    spoken = []
    for value, letters in zip(position, _LETTERS, strict=True):
        if np.isfinite(value):
            shown = round(float(value), 1) + 0.0  # no -0.0
            spoken.append(f"{abs(shown):.1f} mm {letters[shown < 0]}")
    return ", ".join(reversed(spoken))


def patient_position(
    point: Sequence[float], layer: Layer
) -> tuple[float, float, float]:
    """Give the position (S, P, L) [mm] in the patient of a point of the viewer's world.

    Parameters
    ----------
    point : sequence of float
        World coordinates in the units of `layer`. Of a 2D world, S is not a number.
    layer : Layer
        An oblique scan is shown turned until its axes are straight; the direction in
        the metadata of the layer turns the point back.
    """
    missing = [0.0] * (3 - min(len(point), 3))
    units = {"units": tuple(layer.units)}
    turned = np.array([*missing, *point[-3:]]) * mm_per_unit(units)
    s, p, left = origin_from_translate(turned, _direction(layer))
    return (float("nan") if missing else s), p, left


def value_at(layer: Layer, point: Sequence[float]) -> Any:
    """Give the value of the voxel of `layer` that is nearest to a point of the world.

    None outside. A hidden layer has values too. Of data that are not in memory, only
    the slice that is shown is read.
    """
    if not isinstance(layer.data, np.ndarray):
        value = layer.get_value(point, world=True)
        return value[1] if layer.multiscale and value is not None else value
    nearest = np.floor(np.asarray(layer.world_to_data(point)) + 0.5)
    shape = layer.data.shape[: layer.ndim]
    if len(nearest) != layer.ndim or not _is_inside(nearest, shape):
        return None
    return layer.data[tuple(nearest.astype(int))]


def watch_cursor(viewer: ViewerModel) -> Watch:
    """Give a watch of everything that changes what is under the mouse."""
    return Watch(
        viewer.cursor.events.position,
        viewer.dims.events.point,
        viewer.dims.events.ndisplay,
        viewer.layers.events,
        viewer.layers.selection.events.active,
        only=_CHANGES,
        every=_EVERY,
    )


def _point(viewer: ViewerModel) -> tuple[float, ...]:
    """World position of the mouse; along hidden axes, that of the slice."""
    point = list(viewer.dims.point)
    mouse = viewer.cursor.position
    for axis in viewer.dims.displayed:
        if len(mouse) == len(point):
            point[axis] = mouse[axis]
    return tuple(float(value) for value in point)


def _reference(layers: Iterable[Layer], active: Layer | None) -> Layer | None:
    """Give the image whose patient is meant: the active one, else the topmost."""
    images = [layer for layer in layers if isinstance(layer, Image) and layer.visible]
    images.sort(key=_is_placed, reverse=True)  # stable: topmost first among equals
    if active is not None and active in images and _is_placed(active):
        return active
    return images[0] if images else None


def _position(point: Sequence[float], reference: Layer) -> str:
    if not _has_length(reference):
        names = ("z", "y", "x")[-min(len(point), 3) :]
        voxel = reference.world_to_data(point)[-len(names) :]
        steps = [f"{n} {v:.0f}" for n, v in zip(names, np.round(voxel), strict=True)]
        return ", ".join(steps)
    return in_directions(patient_position(point, reference))


def _note(layers: Iterable[Layer], reference: Layer) -> str:
    if not _has_length(reference):
        return _NO_LENGTH
    if not _is_placed(reference):
        return _UNKNOWN_AXES
    direction = _direction(reference)
    others = (a for a in layers if isinstance(a, Image) and a.visible and _is_placed(a))
    if any(not _same(_direction(other), direction) for other in others):
        return _OTHER_ANGLES.format(reference.name)
    return "" if _same(direction, np.eye(3)) else _OBLIQUE


def _text(layer: Layer, point: Sequence[float]) -> str:
    value = value_at(layer, point)
    if value is None:
        return ""
    if np.ndim(value):  # colour
        return ", ".join(_number(v) for v in np.ravel(value))
    unit = "" if facts(layer).get("role") else _UNITS.get(layer_modality(layer), "")
    return f"{_number(value)} {unit}".strip()


def _number(value: Any) -> str:
    """Write whole numbers and large ones without digits after the point."""
    number = float(value)
    is_whole = abs(number) >= 1000 or number == round(number, 0)
    return f"{number + 0.0:.0f}" if is_whole else f"{number:.4g}"


def _is_placed(layer: Layer) -> bool:
    return "direction" in facts(layer)


def _has_length(layer: Layer) -> bool:
    return all(str(unit) != "pixel" for unit in tuple(layer.units)[-3:])


def _direction(layer: Layer) -> NDArray[np.float64]:
    return np.array(facts(layer).get("direction", np.eye(3)), dtype=float)


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.all(np.abs(a - b) < _OTHER_ANGLE))


def _is_inside(index: NDArray[np.float64], shape: Sequence[int]) -> bool:
    return bool(np.all(index >= 0) and np.all(index < shape))
