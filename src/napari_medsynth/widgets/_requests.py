"""Requests: the same choice of model and images is always the same object."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from napari_medsynth.io import Study

from ._layers import like, over, volume_from_layer
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
            reason = card.why_not(tuple(shown), wanted) or why_not_along(card, options)
            if reason:
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
            volumes = {m: self._volume(x) for m, x in ordered.items()}
            place = like(next(iter(ordered.values())))
            if card.is_restoration:
                volumes, place = presented(card, volumes, place, options.plane)
            self._requests[key] = Request(
                study=Study(volumes),
                card=card,
                targets=targets,
                place=place,
                contrast_limits={},
                options=options,
            )
        return self._requests[key]

    def _volume(self, layer: Layer) -> Volume:
        key = _identity(layer)
        if key not in self._volumes:
            self._volumes[key] = volume_from_layer(layer)
        return self._volumes[key]


def why_not_along(card: ModelCard, options: RunOptions) -> str:
    """Say why slices of the plane cannot be restored; "" if they can."""
    is_bound = card.degradation.get("kind") == "thick-slices"
    if not is_bound or options.plane in card.planes:
        return ""
    return (
        f"{card.title} sees thick slices from the side: choose a plane of "
        f"{' or '.join(card.planes)}."
    )


def presented(
    card: ModelCard,
    volumes: Mapping[str, Volume],
    place: Mapping[str, Any],
    plane: str,
) -> tuple[dict[str, Volume], dict[str, Any]]:
    """Give the image on the grid of the result, as restoration does, and its place.

    Raises
    ------
    CardError
        If the plane is none.
    """
    from napari_medsynth.simulate import present_volume

    ((modality, volume),) = volumes.items()
    shown = present_volume(volume, card, plane=plane)
    return {modality: shown}, over(shown, volume, place)


def _identity(layer: Layer) -> Hashable:
    """Tell layers and their places apart; a proxy of a layer is the layer."""
    place = (tuple(layer.scale), tuple(layer.translate))
    return (layer.unique_id, place)
