"""Requests: the same choice of model and images is always the same object."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from napari_medsynth.io import Study

from ._layers import like, volume_from_layer
from ._request import Request
from .parts.options_box import RunOptions

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume


class Requests:
    """Makes requests of layers, and gives them again as long as nothing has changed.

    So what was computed for one is found again, when another model is ticked, too.
    """

    def __init__(self) -> None:
        self._volumes: dict[Hashable, Volume] = {}
        self._requests: dict[Hashable, Request] = {}

    def make(
        self,
        cards: Mapping[str, ModelCard],
        sources: Mapping[str, Layer],
        targets: tuple[str, ...],
        options: RunOptions,
    ) -> tuple[dict[str, Request], dict[str, str]]:
        """Give requests by the titles of `cards`, and why others have none.

        Raises
        ------
        VolumeError
            If a layer cannot be a source.
        """
        requests, reasons = {}, {}
        for title, card in cards.items():
            wanted = tuple(t for t in targets if t in card.outputs)
            shown = {m: x for m, x in sources.items() if m in card.inputs}
            if reason := card.why_not(tuple(shown), wanted):
                reasons[title] = reason
            else:
                requests[title] = self._request(card, shown, wanted, options)
        return requests, reasons

    def forget(self) -> None:
        """Read the layers again: their voxels have changed."""
        self._volumes, self._requests = {}, {}

    def _request(
        self,
        card: ModelCard,
        sources: Mapping[str, Layer],
        targets: tuple[str, ...],
        options: RunOptions,
    ) -> Request:
        ordered = {m: sources[m] for m in card.inputs if m in sources}
        layers = tuple((m, _identity(layer)) for m, layer in ordered.items())
        key = (card.id, card.sha256, layers, targets, options)
        if key not in self._requests:
            first = next(iter(ordered.values()))
            self._requests[key] = Request(
                study=Study({m: self._volume(x) for m, x in ordered.items()}),
                card=card,
                targets=targets,
                place=like(first),
                contrast_limits={},
                options=options,
            )
        return self._requests[key]

    def _volume(self, layer: Layer) -> Volume:
        key = _identity(layer)
        if key not in self._volumes:
            self._volumes[key] = volume_from_layer(layer)
        return self._volumes[key]


def _identity(layer: Layer) -> Hashable:
    """Tell layers and their places apart; a proxy of a layer is the layer."""
    place = (tuple(layer.scale), tuple(layer.translate))
    return (layer.unique_id, place)
