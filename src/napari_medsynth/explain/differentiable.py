"""A network and a question that gradients can flow through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_medsynth.engine.device import is_out_of_memory
from napari_medsynth.errors import DeviceMemoryError, EngineError
from napari_medsynth.models.blocks import SliceNorm2d

from .query import Query

if TYPE_CHECKING:
    from napari_medsynth.engine.slice_network import SliceNetwork

    from .record import SliceRecord


def differentiable(network: SliceNetwork, inputs: Tensor) -> nn.Module:
    """Give a float32 copy that makes the same of `inputs`, but with fixed norms.

    Norms that use the statistics of each slice get those of this slice as constants.
    Otherwise scaling all sources changes nothing, and by Euler's theorem gradients
    times inputs sum to nothing, whatever the images show; treating norms as constant
    scales keeps the sum [1]_.

    Parameters
    ----------
    network : SliceNetwork
        Not changed.
    inputs : Tensor
        (1, in_channels, H, W) in [-1, 1].

    References
    ----------
    .. [1] A. Ali et al., "XAI for transformers: better explanations through
       conservative propagation", ICML 2022. https://arxiv.org/abs/2202.07304
    """
    copy = deepcopy(network.network).float()
    hooks = [
        module.register_forward_pre_hook(_fix)
        for module in copy.modules()
        if isinstance(module, SliceNorm2d) and module.statistics == "slice"
    ]
    if hooks:
        with torch.no_grad():
            copy(inputs.to(network.device))
    for hook in hooks:
        hook.remove()
    return copy


def place_mean(
    record: SliceRecord, query: Query | None, target: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Give the function from the network's output to its mean at the query, (N,).

    Parameters
    ----------
    record : SliceRecord
        The slice.
    query : Query or None
        The place; the whole slice if None.
    target : str
        Output of the model; "" is the first that is wanted.
    device : device
        Of the output.
    """
    prepared = record.prepared
    asked = query or Query(np.ones(prepared.frame.size, np.bool_))
    inside = asked.on_network(prepared).to(device)
    weights = inside / inside.sum()
    channel = prepared.channel_of(target or prepared.targets[0])

    def mean(made: Tensor) -> Tensor:
        return (made[:, channel].float() * weights).sum(dim=(1, 2))

    return mean


@contextmanager
def gradients_allowed() -> Iterator[None]:
    """Let gradients flow in here; errors of torch become ours.

    Raises
    ------
    DeviceMemoryError
        If there is not enough memory.
    EngineError
        If the network fails.
    """
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    except (RuntimeError, MemoryError) as err:
        if is_out_of_memory(err):
            raise DeviceMemoryError(
                "Gradients of this slice need more memory than is free: choose a "
                "method without gradients, or run on the CPU."
            ) from err
        reason = str(err).strip().splitlines() or [type(err).__name__]
        raise EngineError(f"The gradients could not be computed: {reason[0]}") from err


def _fix(module: SliceNorm2d, args: tuple[Tensor, ...]) -> None:
    (image,) = args
    module.running_mean = image.mean(dim=(0, 2, 3))
    module.running_var = image.var(dim=(0, 2, 3), correction=0)
    module.statistics = "running"
