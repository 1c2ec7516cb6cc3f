"""SideCaptions: the names of two images at the lower corners of the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari.components.overlays import TextOverlay

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_KEYS = {"medsynth_left": "bottom_left", "medsynth_right": "bottom_right"}


class SideCaptions:
    """Says which image is where, as long as `show` has something to show."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._overlays = viewer.canvas.overlays

    def show(self, mode: str, layers: Sequence[Layer], *, is_second: bool) -> None:
        """Name both images, or in a flicker the one that is seen."""
        names = [layer.name for layer in layers]
        if mode == "flicker" and names:
            names = ["", names[1]] if is_second else [names[0], ""]
        for key, text in zip(_KEYS, names, strict=bool(names)):
            self._set(key, text)

    def hide(self) -> None:
        """Show no names."""
        for key in _KEYS:
            if key in self._overlays:
                self._overlays[key].visible = False

    def _set(self, key: str, text: str) -> None:
        if key not in self._overlays:
            self._overlays[key] = TextOverlay(position=_KEYS[key], font_size=9)
        overlay = self._overlays[key]
        overlay.text, overlay.visible = text, bool(text)
