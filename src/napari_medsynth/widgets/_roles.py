"""What a layer is to a comparison: source, synthesis, truth, difference, attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from ._layers import layer_modality
from ._notice import is_synthetic

if TYPE_CHECKING:
    from napari.layers import Layer


class Role(StrEnum):
    """What a layer shows."""

    SOURCE = "source"  # a real image
    SYNTHESIS = "synthesis"  # what a model made
    TRUTH = "truth"  # the real image of a contrast that was also made
    DIFFERENCE = "difference"
    ATTENTION = "attention"
    TRUST = "trust"  # uncertainty, contribution, a mask not to trust
    OTHER = "other"  # a preview, a label, anything else


# Under layer.metadata["medsynth"]["role"]; without it, a layer is an image.
_WRITTEN = {role.value: role for role in Role}


@dataclass(frozen=True, eq=False)
class Shown:
    """A layer and what it is.

    Parameters
    ----------
    layer : Layer
    role : Role
    modality : str
        "T1", ...; "" if unknown or of no meaning.
    model : str
        Title of the model that made it; "" for a real image.
    """

    layer: Layer
    role: Role
    modality: str
    model: str = ""


def shown_layers(layers: Iterable[Layer]) -> list[Shown]:
    """Give the role of every layer, in their order.

    A real image is a truth if some synthetic layer has its modality.
    """
    listed = list(layers)
    made = {
        layer_modality(layer)
        for layer in listed
        if is_synthetic(layer) and not facts(layer).get("role")
    }
    return [_shown(layer, made) for layer in listed]


def facts(layer: Layer) -> dict[str, Any]:
    """Give what MedSynth knows of a layer; {} for layers that are not ours."""
    known: dict[str, Any] = layer.metadata.get("medsynth", {})
    return known


def _shown(layer: Layer, made: set[str]) -> Shown:
    known = facts(layer)
    provenance = known.get("provenance", {})
    model = str(provenance.get("model_title") or provenance.get("model") or "")
    if role := known.get("role", ""):
        found = _WRITTEN.get(role, Role.OTHER)
        return Shown(layer, found, str(known.get("modality", "")), model)
    if not isinstance(layer, Image) or layer.rgb:
        return Shown(layer, Role.OTHER, "")
    modality = layer_modality(layer)
    if is_synthetic(layer):
        return Shown(layer, Role.SYNTHESIS, modality, model)
    return Shown(layer, Role.TRUTH if modality in made else Role.SOURCE, modality)
