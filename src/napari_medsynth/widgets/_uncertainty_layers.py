"""The layers of "How sure?": spread, mean, interval and mask, filled while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap
from qtpy.QtCore import QObject

from napari_medsynth.io.geometry import layer_metadata

from ._layers import unique_name
from ._roles import Role
from ._trust_layers import hide_maps
from ._trust_words import made_by
from ._turns import Turns, single_shot

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_medsynth.trust.uncertainty import Uncertainty

    from ._request import Request
    from ._uncertainty_maps import Maps, TargetMaps

KINDS = (MEAN, INTERVAL, SPREAD, MASK) = ("mean", "interval", "spread", "mask")
SHOWN = (SPREAD, MASK)  # to begin with
REFRESH_EVERY = 250  # ms; drawing is what costs, not copying
_TOPS = {SPREAD: 0.1, INTERVAL: 0.4}  # of the range: full colour, the same for all
_OPACITY = {SPREAD: 0.8, INTERVAL: 0.8, MASK: 0.9}
_TITLES = {
    SPREAD: "{target} spread by {method}",
    INTERVAL: "{target} half-width of the interval",
    MEAN: "{target} mean of {n} syntheses",
    MASK: "{target} do not trust",
}


def clear_to_pink() -> Colormap:
    """Nothing where the syntheses agree, pink where they do not."""
    colours = [[0.85, 0.2, 0.7, 0], [0.9, 0.25, 0.75, 0.6], [1, 0.8, 0.95, 1]]
    return Colormap(colours, name="clear-pink")


class UncertaintyLayers(QObject):
    """One layer per target and kind; one that somebody removes does not come back.

    It belongs to no widget.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._request: Request | None = None
        self._maps: Maps = {}
        self._facts: dict[str, Any] = {}
        self._layers: dict[tuple[str, str], Layer] = {}
        self._asked: set[tuple[str, str]] = set()
        self._stale: set[str] = set()  # kinds
        self._turns = Turns(self)
        self._timer = single_shot(self, REFRESH_EVERY, self._on_timeout)

    @property
    def is_busy(self) -> bool:
        """Whether layers wait for their turn or to be drawn."""
        return self._turns.is_busy or self._timer.isActive()

    def begin(self, request: Request, maps: Maps, facts: dict[str, Any]) -> None:
        """Show other maps from now on; layers of earlier ones stay, hidden.

        `facts` are the method and the number of variants.
        """
        if maps is not self._maps:
            self._turns.stop()
            for layer in self._layers.values():
                layer.visible = False  # means too
            hide_maps(self._viewer)
            self._layers, self._asked = {}, set()
        self._request, self._maps, self._facts = request, maps, facts

    def show(self, kinds: Collection[str]) -> None:
        """Add the layers of these kinds that were not there yet, one per turn."""
        wanted = [
            (target, kind)
            for target, one in self._maps.items()
            for kind in KINDS  # the last lies on top
            if kind in kinds and (kind != INTERVAL or one.calibration is not None)
        ]
        new = [pair for pair in wanted if pair not in self._asked]
        if not new:
            return
        self._asked.update(new)
        first, kept = next(iter(self._maps)), set(self._viewer.layers.selection)
        self._turns.add(
            partial(self._add, *pair, is_visible=pair[0] == first and pair[1] in SHOWN)
            for pair in new
        )
        self._turns.add([partial(self._select, kept)])  # is slow: once, after all

    def refresh(self, slices: Sequence[int], kinds: Collection[str] = KINDS) -> None:
        """Draw layers again if one of `slices` is on the screen, now and then."""
        if self._is_shown(slices):
            self._stale |= set(kinds)
            if not self._timer.isActive():
                self._on_timeout()

    def shown_index(self) -> int:
        """Give the slice on the screen; -1 if slices of another plane are."""
        request, dims = self._request, self._viewer.dims
        if request is None or dims.ndim - 3 + request.axis in dims.displayed:
            return -1
        return request.index_of(dims.point)

    def mark(self, labels: Mapping[str, NDArray[np.uint8]], limit: float) -> None:
        """Take masks of all slices."""
        for target, array in labels.items():
            if target in self._maps:
                self._maps[target].labels[...] = array
        for target in self._maps:
            layer = self._layers.get((target, MASK))
            if layer is not None and layer in self._viewer.layers:
                layer.metadata["medsynth"]["limit"] = limit  # no need to tell others
                layer.refresh(extent=False, thumbnail=False)

    def finish(self, found: Uncertainty) -> None:
        """Take over the whole provenance of what was made."""
        self._facts["provenance"] = {
            target: volume.metadata["provenance"]
            for target, volume in found.spread.items()
        }
        for (target, kind), layer in self._layers.items():
            if layer in self._viewer.layers:
                layer.metadata.update(self._metadata(target, kind))

    def abandon(self, *_: Any) -> None:
        """Do nothing more, and leave the viewer alone."""
        with suppress(RuntimeError):  # Qt went first, at the end of the session
            self._turns.stop()
            self._timer.stop()
        self._layers, self._maps, self._request = {}, {}, None

    def _add(self, target: str, kind: str, *, is_visible: bool) -> None:
        one, request = self._maps.get(target), self._request
        if one is None or request is None:
            return
        title = _TITLES[kind].format(target=target, **self._facts)
        options = {
            "name": unique_name(self._viewer, f"{title}: {made_by(request.card)}"),
            "visible": is_visible,
            "opacity": _OPACITY.get(kind, 1.0),
            "metadata": self._metadata(target, kind),
            **request.place,
        }
        self._layers[target, kind] = self._new_layer(one, kind, options)

    def _select(self, kept: set[Layer]) -> None:
        """Select what was selected before, as far as it is there."""
        if there := {layer for layer in kept if layer in self._viewer.layers}:
            self._viewer.layers.selection = there

    def _new_layer(self, one: TargetMaps, kind: str, options: dict[str, Any]) -> Layer:
        add_image = self._viewer.add_image
        if kind == MASK:
            colours = {None: "transparent", 0: "transparent", 1: "orange"}
            colormap = DirectLabelColormap(color_dict=colours)
            return self._viewer.add_labels(one.labels, colormap=colormap, **options)
        if kind == MEAN:
            limits = (one.low, one.low + one.data_range)
            return add_image(one.mean, contrast_limits=limits, **options)
        return add_image(
            one.spread if kind == SPREAD else one.half_width,
            contrast_limits=(0, _TOPS[kind] * one.data_range),
            colormap=clear_to_pink(),
            blending="translucent_no_depth",  # a bright anatomy must not outshine it
            **options,
        )

    def _metadata(self, target: str, kind: str) -> dict[str, Any]:
        request = self._request
        if request is None:
            return {}
        card = request.card
        short = {
            "model": card.id,
            "model_title": card.title,
            "sha256": card.sha256,
            "uncertainty": {k: self._facts[k] for k in ("method", "n")},
        }
        is_image = kind == MEAN
        known = {
            "path": "",
            "warnings": [],
            "modality": target if is_image else "",
            "role": "" if is_image else Role.TRUST.value,
            "trust": kind,
            "synthetic": True,
            "provenance": self._facts.get("provenance", {}).get(target, short),
        }
        return {"medsynth": {**layer_metadata(request.reference), **known}}

    def _is_shown(self, slices: Sequence[int]) -> bool:
        index = self.shown_index()
        return index < 0 or index in slices

    def _on_timeout(self) -> None:
        kinds, self._stale = self._stale, set()
        if not kinds:
            return
        for (_, kind), layer in self._layers.items():
            if kind in kinds and layer.visible and layer in self._viewer.layers:
                layer.refresh(extent=False, thumbnail=False)
        self._timer.start()
