"""WindowLink: brighter in one image is brighter in all, each in its own window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Image

_LEAST = 1e-6  # width of a window, as a share of the one at the time of linking


class WindowLink:
    """Carries changes of contrast limits and gamma over to other layers.

    Images of several contrasts have no common intensities. So a change is carried over
    as shares of the windows that the layers had when they were linked.
    """

    def __init__(self) -> None:
        self._layers: list[Image] = []
        self._windows: list[tuple[float, float]] = []
        self._is_setting = False

    @property
    def layers(self) -> tuple[Image, ...]:
        return tuple(self._layers)

    def link(self, layers: Sequence[Image]) -> None:
        """Link `layers` from now on, and no others."""
        self.unlink()
        if len(layers) < 2:
            return
        self._layers = list(layers)
        self._windows = [_limits(layer) for layer in layers]
        for layer in self._layers:
            layer.events.contrast_limits.connect(self._on_limits)
            layer.events.gamma.connect(self._on_gamma)

    def unlink(self, *args: object) -> None:
        """Let every layer have its own window again."""
        for layer in self._layers:
            layer.events.contrast_limits.disconnect(self._on_limits)
            layer.events.gamma.disconnect(self._on_gamma)
        self._layers, self._windows = [], []

    def _on_limits(self, event: Any) -> None:
        if self._is_setting:
            return
        changed = self._layers.index(event.source)
        low, high = self._windows[changed]
        shares = [(limit - low) / (high - low) for limit in _limits(event.source)]
        self._is_setting = True
        for layer, (bottom, top) in zip(self._layers, self._windows, strict=True):
            if layer is not event.source:
                new = [bottom + share * (top - bottom) for share in shares]
                new[1] = max(new[1], new[0] + _LEAST * (top - bottom))
                if not _is_close(new, _limits(layer), _LEAST * (top - bottom)):
                    layer.contrast_limits = new
        self._is_setting = False

    def _on_gamma(self, event: Any) -> None:
        if self._is_setting:
            return
        self._is_setting = True
        for layer in self._layers:
            if layer.gamma != event.source.gamma:
                layer.gamma = event.source.gamma
        self._is_setting = False


def _limits(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return float(low), float(high)


def _is_close(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))
