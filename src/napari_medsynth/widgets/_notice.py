"""The words on the canvas that say an image is synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.components.overlays import TextOverlay

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

NOTICE = "SYNTHETIC - not for diagnosis"
_KEY = "medsynth_notice"


def attach_synthetic_notice(viewer: Viewer, *, font_size: float = 11) -> None:
    """Show `NOTICE` on the canvas as long as a synthetic layer is visible.

    It belongs to the viewer, not to a dock: closing the dock leaves it. Calling this
    again changes nothing.
    """
    if _KEY in viewer.canvas.overlays:
        return
    overlay = TextOverlay(
        text=NOTICE,
        position="top_center",
        color="#ffb000",
        font_size=font_size,
        visible=False,
    )
    viewer.canvas.overlays[_KEY] = overlay

    def update(event: Any = None) -> None:
        if event is None or event.type in (
            "inserted",
            "removed",
            "visible",
            "metadata",
        ):
            overlay.visible = any(
                layer.visible and is_synthetic(layer) for layer in viewer.layers
            )

    viewer.layers.events.connect(update)  # a function: kept as long as the viewer
    update()


def is_synthetic(layer: Layer) -> bool:
    """Tell whether a model made this layer's image."""
    return bool(layer.metadata.get("medsynth", {}).get("synthetic", False))
