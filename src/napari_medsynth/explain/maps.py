"""Attention maps of one slice: which source, asked from where, in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_medsynth.errors import EngineError

from .methods import ATTENTION_METHODS, MapSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .query import Query
    from .record import SliceRecord


def attention_map(
    record: SliceRecord,
    source: MapSource,
    query: Query | None = None,
    *,
    is_reverse: bool = False,
) -> NDArray[np.float32]:
    """Give one attention map of a slice, without running the model again.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    source : MapSource
        Which attention.
    query : Query, optional
        The place that asks; every token the same without it.
    is_reverse : bool
        False: where did the model look to paint the query? Row(s) of the attention.
        True: what looked at the query? Column(s).

    Returns
    -------
    ndarray
        (rows, columns) of tokens, float32. Forward maps sum to 1. Reverse ones give
        for each token the share of its looks that went to the query: 0 to 1.

    Raises
    ------
    EngineError
        If the source is unknown, or the record has no such block, layer or head.
    CardError
        If the model has no attention.
    """
    grid = record.grid
    weights = _weights(record, query, grid, is_reverse)
    names = (source.block,) if source.block else record.blocks
    joined = [_joined(record, name, source, weights, is_reverse) for name in names]
    mean = torch.stack(joined).mean(dim=0)
    values: NDArray[np.float32] = mean.reshape(grid).numpy()
    return values


def _weights(
    record: SliceRecord, query: Query | None, grid: tuple[int, int], is_reverse: bool
) -> Tensor:
    """Weights of tokens (T,): shares of the asking ones, or 0 to 1 for the asked."""
    n_tokens = grid[0] * grid[1]
    if query is None:
        return torch.full((n_tokens,), 1 / n_tokens)
    tokens = torch.from_numpy(query.tokens(record.prepared, grid)).flatten()
    # Reverse: looks at any token of the place count, wholly inside or in part.
    return tokens / tokens.max() if is_reverse else tokens


def _joined(
    record: SliceRecord,
    block: str,
    source: MapSource,
    weights: Tensor,
    is_reverse: bool,
) -> Tensor:
    layers = _layers_of(record, block, source)
    if source.method in ("mean", "layer", "head"):
        each = [_step(layer, weights, is_reverse) for layer in layers]
        return torch.stack(each).mean(dim=0)
    # Vector times matrices, from the side of the vector: never T x T times T x T.
    has_identity = source.method == "rollout"
    for layer in layers if is_reverse else reversed(layers):
        step = _step(layer, weights, is_reverse)
        weights = (step + weights) / 2 if has_identity else step
    return weights


def _step(matrix: Tensor, weights: Tensor, is_reverse: bool) -> Tensor:
    return matrix @ weights if is_reverse else weights @ matrix


def _layers_of(record: SliceRecord, block: str, source: MapSource) -> Sequence[Tensor]:
    """Give the (T, T) matrices that a source joins, first layer first."""
    if source.method not in ATTENTION_METHODS:
        known = ", ".join(ATTENTION_METHODS)
        raise EngineError(f"Attention must be one of {known}, got {source.method!r}.")
    if block not in record.layers:
        known = ", ".join(record.blocks)
        raise EngineError(f"The model has attention in {known}, not in {block!r}.")
    layers = record.layers[block]
    if source.method not in ("layer", "head"):
        return [layer.mean(dim=0) for layer in layers]
    if not 0 <= source.layer < len(layers):
        raise EngineError(
            f"{block} has layers 1 to {len(layers)}, got {source.layer + 1}."
        )
    layer = layers[source.layer]
    if source.method == "layer":
        return [layer.mean(dim=0)]
    if not 0 <= source.head < len(layer):
        raise EngineError(
            f"{block} has heads 1 to {len(layer)}, got {source.head + 1}."
        )
    return [layer[source.head]]
