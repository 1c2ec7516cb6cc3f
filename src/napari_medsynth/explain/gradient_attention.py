"""Relevance: attention weighted by what it does to the synthesis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_medsynth.errors import EngineError

from .differentiable import differentiable, gradients_allowed, place_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.slice_network import SliceNetwork

    from .query import Query
    from .record import SliceRecord


def relevance(
    record: SliceRecord,
    network: SliceNetwork,
    query: Query | None = None,
    *,
    block: str = "",
    target: str = "",
) -> NDArray[np.float32]:
    """Give what the place was painted with the help of, by attention and gradient [1]_.

    With A the attention of a layer and s the mean of the output at the place, the
    relevance of tokens to tokens is R = I at first, and R + E_h[(ds/dA * A)+] R after
    every layer, E_h being the mean over heads.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    network : SliceNetwork
        The model that made it.
    query : Query, optional
        The place; the whole slice without it.
    block : str
        ART block; "" is the mean over all of them.
    target : str
        Output of the model; the first that is wanted without it.

    Returns
    -------
    ndarray
        (rows, columns) of tokens, float32, 0 or more: the mean row of R - I over the
        tokens of the place.

    Raises
    ------
    CardError
        If the model has no attention.
    EngineError
        If there is no such block, or the network fails.
    DeviceMemoryError
        If memory runs out.

    Notes
    -----
    Only attention that makes the place brighter counts. The identity is taken out: the
    paper has a class token to read from instead. Norms of each slice are constants, see
    `differentiable`.

    References
    ----------
    .. [1] H. Chefer, S. Gur, L. Wolf, "Generic attention-model explainability for
       interpreting bi-modal and encoder-decoder transformers", ICCV 2021.
       https://arxiv.org/abs/2103.15679
    """
    grid = record.grid
    if block and block not in record.layers:
        known = ", ".join(record.blocks)
        raise EngineError(f"The model has attention in {known}, not in {block!r}.")
    names = (block,) if block else record.blocks
    if query is None:
        weights = torch.full((grid[0] * grid[1],), 1 / (grid[0] * grid[1]))
    else:
        weights = torch.from_numpy(query.tokens(record.prepared, grid)).flatten()
    weighted = _weighted_attention(record, network, query, target, names)
    rows = torch.stack([_row(layers, weights) for layers in weighted])
    values: NDArray[np.float32] = rows.mean(dim=0).reshape(grid).numpy()
    return values


def _row(layers: list[Tensor], weights: Tensor) -> Tensor:
    """Weighted mean of the rows of R - I; a vector times matrices, last layer first."""
    row = torch.zeros_like(weights)
    for layer in reversed(layers):  # the identity apart: it would swallow small numbers
        row = row + (weights + row) @ layer
    return row


def _weighted_attention(
    record: SliceRecord,
    network: SliceNetwork,
    query: Query | None,
    target: str,
    names: tuple[str, ...],
) -> list[list[Tensor]]:
    """E_h[(grad * A)+] of each layer (T, T), by block, on the CPU."""
    layers: dict[str, list[Tensor]] = {name: [] for name in record.blocks}

    def keep(name: str, layer: int, probabilities: Tensor) -> None:
        del layer  # a block reports its layers in order
        if not probabilities.requires_grad:  # the first: what is before needs no graph
            probabilities.requires_grad_()
        layers[name].append(probabilities)

    with gradients_allowed():
        model = differentiable(network, record.inputs)
        inputs = record.inputs.clone().to(network.device)
        made = model(inputs, on_attention=keep)
        mean = place_mean(record, query, target, network.device)(made).sum()
        wanted = [probabilities for name in names for probabilities in layers[name]]
        gradients = iter(torch.autograd.grad(mean, wanted, materialize_grads=True))
        return [
            [
                (next(gradients) * A).clamp(min=0).mean(dim=1)[0].detach().cpu().float()
                for A in layers[name]
            ]
            for name in names
        ]
