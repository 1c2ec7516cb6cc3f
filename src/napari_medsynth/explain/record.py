"""SliceRecord: one slice run through one model, with the attention of all layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from napari_medsynth.engine.attention import AttentionVolumes, token_grid
from napari_medsynth.engine.network import has_attention
from napari_medsynth.errors import CardError, EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.io import Volume


@dataclass(frozen=True, eq=False)
class SliceRecord:
    """What a model did with one slice.

    Parameters
    ----------
    prepared : Prepared
        The study, its grid and the card.
    index : int
        The slice, along the plane's axis.
    inputs : Tensor
        (1, in_channels, H, W), what the network was shown.
    made : ndarray
        (out_channels, h, w) float32 in [-1, 1], the slice that it painted.
    layers : mapping
        ART block, "art_1", to the attention of each of its layers, float32
        (heads, T, T) on the CPU: row q is what token q looked at. Empty for a model
        without attention.
    """

    prepared: Prepared
    index: int
    inputs: Tensor
    made: NDArray[np.float32]
    layers: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[str, ...]:
        """ART blocks with attention, in the order they run."""
        return tuple(self.layers)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens.

        Raises
        ------
        CardError
            If the model has no attention.
        """
        if not self.layers:
            raise CardError(
                f"{self.prepared.card.title} has no attention: choose a gradient "
                "method for it."
            )
        layers = next(iter(self.layers.values()))
        return token_grid(layers[0].shape[-1], self.prepared.frame.padded)

    @property
    def made_by(self) -> str:
        """Model and weights, for captions: "ResViT starter (1f3a5c)"."""
        card = self.prepared.card
        return f"{card.title} ({card.sha256[:6]})" if card.sha256 else card.title

    def place(self, values: NDArray[np.float32], name: str) -> Volume:
        """Lay a map over the anatomy, as a volume of one slice.

        Parameters
        ----------
        values : ndarray
            (rows, columns) of tokens, or (h, w) pixels of the slice.
        name : str
            Which map: "rollout art_1".
        """
        return place_maps(self.prepared, {self.index: values}, name)


def record_slice(prepared: Prepared, network: SliceNetwork, index: int) -> SliceRecord:
    """Run one slice and keep the attention of every layer and head.

    A model without attention gives a record without layers.

    Raises
    ------
    EngineError
        If the slice does not exist, or the network fails.
    """
    if not 0 <= index < prepared.n_slices:
        raise EngineError(
            f"Slices are numbered 0 to {prepared.n_slices - 1} in this plane, got "
            f"{index}."
        )
    layers: dict[str, list[Tensor]] = {}

    def keep(block: str, layer: int, probabilities: Tensor) -> None:
        known = layers.setdefault(block, [])
        del known[layer:]  # a second try after memory ran out
        known.append(probabilities[0].detach().float().cpu())

    inputs = prepared.inputs((index,))
    made = network(inputs, keep if has_attention(network.network) else None)
    return SliceRecord(
        prepared,
        index,
        inputs,
        prepared.outputs(made)[0],
        {block: tuple(kept) for block, kept in layers.items()},
    )


def place_maps(
    prepared: Prepared, maps: Mapping[int, NDArray[np.float32]], name: str
) -> Volume:
    """Lay maps of several slices over the anatomy, coarse as they are.

    Parameters
    ----------
    prepared : Prepared
        Where the slices were cut.
    maps : mapping
        Index of a slice to its map: (rows, columns) of tokens, or (h, w) pixels, all of
        one shape. The volume reaches from the first to the last index; slices between
        that have no map are 0.
    name : str
        Which map.

    Raises
    ------
    EngineError
        If there is no map, or one does not tile the network's image with squares.
    """
    if not maps:
        raise EngineError("No map to show: every slice is empty.")
    first = next(iter(maps.values()))
    if first.shape == prepared.frame.size:
        return _pixel_volume(prepared, maps, name)
    volumes = AttentionVolumes(prepared.reference, prepared.frame, tuple(maps))
    for index, values in maps.items():
        volumes.add((index,), {name: values.reshape(1, -1)})
    card = prepared.card
    return volumes.volumes(card.title or card.id, _facts(prepared))[name]


def _pixel_volume(
    prepared: Prepared, maps: Mapping[int, NDArray[np.float32]], name: str
) -> Volume:
    reference, axis = prepared.reference, prepared.frame.axis
    first, n_slices = min(maps), max(maps) - min(maps) + 1
    stack = np.zeros((n_slices, *prepared.frame.size), np.float32)
    for index, values in maps.items():
        stack[index - first] = values
    step = np.zeros(3)
    step[axis] = first * reference.spacing[axis]
    s, p, left = np.add(reference.origin, reference.direction @ step).tolist()
    return reference.with_data(
        np.ascontiguousarray(np.moveaxis(stack, 0, axis))[np.newaxis],
        origin=(s, p, left),
        modality="",
        name=f"attention {name} ({prepared.card.title})",
        metadata={"attention": name, "provenance": _facts(prepared)},
    )


def _facts(prepared: Prepared) -> dict[str, object]:
    card = prepared.card
    return {
        "model": card.id,
        "model_title": card.title,
        "sha256": card.sha256,
        "sources": list(prepared.available),
        "targets": list(prepared.targets),
        "plane": prepared.plane,
    }
