"""A scene as layers of a viewer, one grid cell each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.io.geometry import layer_tuple
from napari_medsynth.io.layer_data import ATTRIBUTES, volume_from_layer_data

from .scene import TARGET

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image
    from napari.utils.colormaps import Colormap

    from napari_medsynth.io import Volume

RANGE_OF_DIFFERENCE = 0.3  # share of the intensity range that is full colour
GRID = (2, -1)  # rows, columns: as many as needed
_MARGIN = 0.9  # share of its cell that the head fills


def add_volume(viewer: Viewer, volume: Volume, **options: Any) -> Image:
    """Add `volume` as an image layer, with limits from its own percentiles."""
    options.setdefault("contrast_limits", (0.0, _bright(volume)))
    data, arguments, _ = layer_tuple(volume, **options)
    layer: Image = viewer.add_image(data, **arguments)
    return layer


def add_difference(viewer: Viewer, volume: Volume) -> Image:
    """Add the difference of synthesis and truth: blue too dark, red too bright."""
    limit = RANGE_OF_DIFFERENCE
    layer = add_volume(
        viewer,
        volume,
        name="synthesis - truth",
        colormap=_blue_black_red(),
        contrast_limits=(-limit, limit),
    )
    known = layer.metadata["medsynth"]
    layer.metadata = {"medsynth": {**known, "role": "difference"}}  # not for a model
    return layer


def results_of(viewer: Viewer) -> tuple[Volume | None, dict[str, Volume]]:
    """Give the newest synthetic `TARGET` of a viewer and its attention maps by name."""
    synthetic, attention = None, {}
    for layer in viewer.layers:
        known = layer.metadata.get("medsynth", {})
        if known.get("role") == "attention":
            name = layer.name.removeprefix("attention ").partition(" (")[0]
            attention[name] = _volume_of(layer)
        elif known.get("synthetic") and known.get("modality") == TARGET:
            synthetic = _volume_of(layer)
    return synthetic, attention


def attention_layers(viewer: Viewer) -> list[Image]:
    """Give the attention layers of a viewer."""
    role = [x.metadata.get("medsynth", {}).get("role") for x in viewer.layers]
    return [x for x, r in zip(viewer.layers, role, strict=True) if r == "attention"]


def show_attention(viewer: Viewer) -> None:
    """Bring the attention layers on top and show the first, over its own range."""
    layers = attention_layers(viewer)
    for layer in layers:
        layer.visible = layer is layers[0]
        seen = layer.data[layer.data > 0]  # empty slices are 0
        if seen.size:
            low, high = np.percentile(seen, (2, 99.5)).tolist()
            layer.contrast_limits = (low, max(high, low * 1.001))
        viewer.layers.move(viewer.layers.index(layer), -1)


def _volume_of(layer: Image) -> Volume:
    data, attributes, _ = layer.as_layer_data_tuple()
    known = {k: v for k, v in attributes.items() if k in ATTRIBUTES}
    return volume_from_layer_data(data, known)


def show_as_grid(viewer: Viewer, volume: Volume, index: int) -> None:
    """Show axial slice `index` of every visible layer side by side, with its name.

    `volume` is what is to fill each cell.
    """
    for layer in viewer.layers:
        label = layer.name_overlay
        label.visible, label.font_size = True, 8
        label.position = "bottom_left"  # the notice is above
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.spacing = 1, GRID, 4
    grid.enabled = True
    viewer.dims.set_current_step(0, index)
    extent = np.multiply(volume.shape, volume.spacing)
    middle = np.add(volume.origin, extent / 2)
    rows, columns = grid.actual_shape(viewer.layers)
    height, width = viewer.canvas.size
    camera = viewer.scene.camera
    camera.center = tuple(middle)
    camera.zoom = _MARGIN * min(height / rows / extent[1], width / columns / extent[2])


def _bright(volume: Volume) -> float:
    """Value of a bright voxel: the 99.5th percentile of those above the mean."""
    data = volume.data[np.isfinite(volume.data)]
    inside = data[data > data.mean()]
    return float(np.percentile(inside, 99.5)) if inside.size else 1.0


def _blue_black_red() -> Colormap:
    """Too dark in blue, right in black, too bright in red."""
    from napari.utils.colormaps import Colormap

    colours = [[0.3, 0.6, 1.0], [0.0, 0.0, 0.0], [1.0, 0.35, 0.25]]
    return Colormap(colours, name="blue-black-red")
