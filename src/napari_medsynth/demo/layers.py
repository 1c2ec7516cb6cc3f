"""A scene as layers of a viewer, one grid cell each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.io.geometry import layer_tuple

from .scene import MODEL, TARGET, Scene

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


def add_results(viewer: Viewer, scene: Scene) -> None:
    """Add truth, synthesis, difference and attention of `scene`."""
    add_volume(viewer, scene.truth, name=f"{TARGET} (truth)")
    add_volume(viewer, scene.synthetic, name=f"{TARGET} (synthetic: {MODEL})")
    limit = RANGE_OF_DIFFERENCE
    viewer.layers["PD"].visible = False  # six cells are easier to read than seven
    add_volume(
        viewer,
        scene.difference,
        name="synthesis - truth",
        colormap=_blue_black_red(),
        contrast_limits=(-limit, limit),
    )
    for i, (name, volume) in enumerate(scene.attention.items()):
        add_volume(
            viewer,
            volume,
            name=f"attention: {name}",
            colormap="inferno",
            blending="additive",
            interpolation2d="linear",
            contrast_limits=_limits(volume),
            visible=i == 0,
        )


def show_as_grid(viewer: Viewer, volume: Volume, index: int) -> None:
    """Show axial slice `index` of every visible layer side by side, with its name.

    `volume` is what is to fill each cell.
    """
    for layer in viewer.layers:
        layer.name_overlay.visible = True
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


def _limits(volume: Volume) -> tuple[float, float]:
    low, high = float(volume.data.min()), float(volume.data.max())
    return (low, high) if low < high else (low, low + 1.0)
