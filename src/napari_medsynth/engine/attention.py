"""Where a transformer looked: its attention, joined and laid over the anatomy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_medsynth.errors import EngineError
from napari_medsynth.io import Volume

from .slices import SliceFrame, other_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AttentionRecorder:
    """Join the attention of all layers while a network runs, block by block.

    Pass it to a forward as ``on_attention``, then `take` the maps of that batch. Only
    the head means of one batch are held, never the heads.

    Parameters
    ----------
    kinds : collection of str
        Any of:

        - "rollout": A = (A + I) / 2 of every layer, multiplied from the last to the
          first [1]_: what reaches the output along all paths, skips included;
        - "chain": the same without I, as ResViT's authors draw it [2]_;
        - "mean": the mean over layers, no product.

        Each is averaged over heads and over the tokens that ask (queries): what is left
        is how much every token was looked at; it sums to 1 over the tokens of a slice.

    Raises
    ------
    EngineError
        If a kind is unknown.

    References
    ----------
    .. [1] S. Abnar, W. Zuidema, "Quantifying attention flow in transformers", ACL 2020.
       https://arxiv.org/abs/2005.00928
    .. [2] https://github.com/icon-lab/ResViT/issues/16
    """

    def __init__(self, kinds: Collection[str]) -> None:
        unknown = [kind for kind in kinds if kind not in _JOINED]
        if unknown:
            known = ", ".join(_JOINED)
            raise EngineError(f"Attention must be any of {known}, got {unknown[0]!r}.")
        self.kinds = tuple(dict.fromkeys(kinds))
        self._layers: dict[str, list[Tensor]] = {}

    def __call__(self, block: str, layer: int, probabilities: Tensor) -> None:
        """Take in one layer's post-softmax attention, shape (N, heads, T, T)."""
        del layer  # a block reports its layers in order
        mean = probabilities.mean(dim=1, dtype=torch.float32)
        self._layers.setdefault(block, []).append(mean)

    def take(self) -> dict[str, NDArray[np.float32]]:
        """Give the last batch's maps (N, T) by name, "rollout art_1", and forget it."""
        layers, self._layers = self._layers, {}
        return {
            f"{kind} {block}": _JOINED[kind](matrices).cpu().numpy()
            for kind in self.kinds
            for block, matrices in layers.items()
        }


class AttentionVolumes:
    """Collect attention maps of slices into volumes on the grid of tokens.

    Parameters
    ----------
    reference : Volume
        The grid that the slices were cut from.
    frame : SliceFrame
        How they were fitted to the network.
    indices : collection of int
        The slices to come; a map volume reaches from the first to the last of them.
    """

    def __init__(
        self, reference: Volume, frame: SliceFrame, indices: Collection[int]
    ) -> None:
        self._reference = reference
        self._frame = frame
        self._first = min(indices)
        self._n_slices = max(indices) - self._first + 1
        self._maps: dict[str, NDArray[np.float32]] = {}

    def add(
        self, indices: Collection[int], maps: Mapping[str, NDArray[np.float32]]
    ) -> None:
        """Put the maps (N, T) of N slices into place."""
        rows = [index - self._first for index in indices]
        for name, tokens in maps.items():
            grid = token_grid(tokens.shape[1], self._frame.padded)
            if name not in self._maps:
                self._maps[name] = np.zeros((self._n_slices, *grid), np.float32)
            self._maps[name][rows] = tokens.reshape(-1, *grid)

    def volumes(self, title: str, provenance: Mapping[str, Any]) -> dict[str, Volume]:
        """Give the volumes by name; slices that nobody asked for are 0."""
        return {
            name: self._place(name, maps, title, provenance)
            for name, maps in self._maps.items()
        }

    def _place(
        self,
        name: str,
        maps: NDArray[np.float32],
        title: str,
        provenance: Mapping[str, Any],
    ) -> Volume:
        reference, frame = self._reference, self._frame
        cell = [big / n for big, n in zip(frame.padded, maps.shape[1:], strict=True)]
        corner = frame.pixel_of(((cell[0] - 1) / 2, (cell[1] - 1) / 2))
        spacing, index = list(reference.spacing), [0.0] * 3
        index[frame.axis] = self._first
        for side, axis in enumerate(other_axes(frame.axis)):
            spacing[axis] *= cell[side] * frame.size[side] / frame.inner[side]
            index[axis] = corner[side]
        shift = reference.direction @ np.multiply(index, reference.spacing)
        s, p, left = np.add(reference.origin, shift).tolist()
        return Volume(
            np.ascontiguousarray(np.moveaxis(maps, 0, frame.axis))[np.newaxis],
            spacing=(spacing[0], spacing[1], spacing[2]),
            origin=(s, p, left),
            direction=reference.direction,
            orientation=reference.orientation,
            name=f"attention {name} ({title})",
            metadata={"attention": name, "provenance": dict(provenance)},
        )


def token_grid(n_tokens: int, size: tuple[int, int]) -> tuple[int, int]:
    """Give rows and columns of square tokens that tile an image of `size` pixels.

    Raises
    ------
    EngineError
        If no square tokens do.
    """
    side = round((size[0] * size[1] / n_tokens) ** 0.5)
    rows, columns = size[0] // side, size[1] // side
    if rows * columns != n_tokens:
        raise EngineError(
            f"Attention of {n_tokens} tokens does not tile slices of {size[0]} x "
            f"{size[1]} pixels with squares; run this model without attention."
        )
    return rows, columns


def _rollout(layers: list[Tensor]) -> Tensor:
    received = _uniform(layers[0])
    for matrix in reversed(layers):
        received = (received @ matrix + received) / 2
    return received[:, 0]


def _chain(layers: list[Tensor]) -> Tensor:
    received = _uniform(layers[0])
    for matrix in reversed(layers):
        received = received @ matrix
    return received[:, 0]


def _mean(layers: list[Tensor]) -> Tensor:
    return torch.stack([matrix.mean(dim=1) for matrix in layers]).mean(dim=0)


def _uniform(matrix: Tensor) -> Tensor:
    """Every query counts the same: shape (N, 1, T)."""
    n, n_tokens, _ = matrix.shape
    return matrix.new_full((n, 1, n_tokens), 1 / n_tokens)


# A row vector from the left: the mean over queries of the product of all layers,
# without ever multiplying two T x T matrices.
_JOINED: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "rollout": _rollout,
    "chain": _chain,
    "mean": _mean,
}
ATTENTION = tuple(_JOINED)
