"""Layers of trust maps: signed colours that leave the anatomy visible where it is 0."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import Colormap
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_medsynth.io.geometry import layer_metadata

from ._layers import unique_name
from ._roles import Role, facts
from ._turns import Turns

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

    from ._trust_jobs import TrustMap

    Maps = Mapping[tuple[str, str], TrustMap]

_OPACITY = 0.8
_MAPS = (Role.DIFFERENCE.value, Role.ATTENTION.value, Role.TRUST.value)
_OF_OURS = ("trust", "source", "target")  # what the map is of what


def signed_colormap() -> Colormap:
    """Darker in blue, the same clear, brighter in orange."""
    colours = [[0.1, 0.45, 1, 1], [0.2, 0.5, 1, 0], [1, 0.5, 0.1, 0], [1, 0.4, 0, 1]]
    return Colormap(colours, name="blue-clear-orange", controls=[0, 0.5, 0.5, 1])


def add_map(viewer: Viewer, map_: TrustMap, *, is_visible: bool = True) -> Image:
    """Add a map as a layer; what is selected stays selected."""
    if is_visible:
        hide_maps(viewer)
    kept = set(viewer.layers.selection)
    layer: Image = viewer.add_image(
        map_.volume.data[0].copy(),  # `SliceMaps` writes into it
        name=unique_name(viewer, map_.name),
        contrast_limits=(-map_.top, map_.top),
        colormap=signed_colormap(),
        blending="translucent_no_depth",  # a bright anatomy must not outshine it
        opacity=_OPACITY,
        visible=is_visible,
        metadata=_metadata(map_),
        **map_.place,
    )
    if kept:
        viewer.layers.selection = kept
    return layer


def hide_maps(viewer: Viewer) -> None:
    """Hide differences and earlier maps: two over each other would look like one."""
    for layer in viewer.layers:
        if layer.visible and facts(layer).get("role") in _MAPS:
            layer.visible = False


class SliceMaps(QObject):
    """One layer per target and source, which move from slice to slice.

    A layer that somebody removes does not come back until `hide`. It belongs to no
    widget.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._layers: dict[tuple[str, str], Image] = {}
        self._turns = Turns(self)

    @property
    def is_busy(self) -> bool:
        """Whether layers wait for their turn."""
        return self._turns.is_busy

    def show(self, maps: Maps, first: tuple[str, str]) -> None:
        """Show these maps, one per turn; a new layer is visible if it is `first`."""
        self._turns.stop()
        gone = [pair for pair in self._layers if pair not in maps]
        if gone:
            self._turns.add([partial(self._remove, gone)])
        ordered = sorted(maps, key=first.__eq__)  # what is visible lies on top
        self._turns.add(
            partial(self._show_one, p, maps[p], is_visible=p == first) for p in ordered
        )

    def hide(self) -> None:
        """Take the layers away."""
        self._turns.stop()
        if self._layers:  # removing nothing takes napari long, too
            self._remove(list(self._layers))

    def abandon(self, *_: Any) -> None:
        """Do nothing more, and leave the viewer alone."""
        self._layers = {}
        if isalive(self):  # Qt may have gone first, at the end of the session
            self._turns.stop()

    def _show_one(
        self, pair: tuple[str, str], map_: TrustMap, *, is_visible: bool
    ) -> None:
        layer = self._layers.get(pair)
        if layer is None:
            self._layers[pair] = add_map(self._viewer, map_, is_visible=is_visible)
        elif layer in self._viewer.layers:
            _fill(layer, map_)

    def _remove(self, pairs: list[tuple[str, str]]) -> None:
        layers = self._viewer.layers
        with layers.batched_update():
            for pair in pairs:
                layer = self._layers.pop(pair)
                if layer in layers:
                    layers.remove(layer)


def _fill(layer: Image, map_: TrustMap) -> None:
    """Put another slice or kind of map into its layer, in place: that is quicker."""
    data = map_.volume.data[0]
    layer.metadata["medsynth"] = _metadata(map_)["medsynth"]  # nobody need be told
    if layer.data.shape != data.shape:  # another plane
        layer.data = data.copy()
    else:
        layer.data[...] = data
    top = max(map_.top, float(layer.contrast_limits[1]))  # slices can be compared
    if top != layer.contrast_limits[1]:
        layer.contrast_limits_range = (-top, top)
        layer.contrast_limits = (-top, top)
    if tuple(layer.translate) != tuple(map_.place["translate"]):
        layer.translate = map_.place["translate"]  # draws it, too
    else:
        layer.refresh(extent=False)


def _metadata(map_: TrustMap) -> dict[str, Any]:
    kept = {key: map_.volume.metadata.get(key, "") for key in _OF_OURS}
    known = {**kept, "modality": "", "role": Role.TRUST.value, "synthetic": True}
    return {"medsynth": {**layer_metadata(map_.volume), **known}}
