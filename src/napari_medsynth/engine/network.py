"""A network made ready to run: folded, cast and laid out for its device."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.models.blocks import SliceNorm2d

from .device import DTYPES
from .weights import fold_batchnorm, forget_models, load_model

Key = tuple[str, str, str, str, str]

_ready: OrderedDict[Key, nn.Module] = OrderedDict()
_N_READY = 2
_lock = Lock()


def network_for(card: ModelCard, device: torch.device, precision: str) -> nn.Module:
    """Give the network of a card with its weights, ready to run on `device`.

    The last two are kept. Parameters and Raises as `load_model`.
    """
    key = (card.id, card.sha256, str(device), precision, card.norm_statistics)
    with _lock:
        if key not in _ready:
            _ready[key] = ready(load_model(card), device, precision)
            forget_models()  # the fp32 original: 0.5 GB for the published ResViT
            while len(_ready) > _N_READY:
                _ready.popitem(last=False)
        _ready.move_to_end(key)
        return _ready[key]


def forget_networks() -> None:
    """Drop the networks that `network_for` keeps, to free their memory."""
    with _lock:
        _ready.clear()


def ready(model: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """Give a copy of `model` that computes the same faster.

    Batch norms with running statistics are folded into their convolutions, weights are
    laid out channels_last (but for statistics of each slice, whose norm is faster and
    more exact without) and cast. The last convolution stays fp32: its output is the
    image, and bf16 has only 256 steps between 0.5 and 1.

    Parameters
    ----------
    model : Module
        Not changed.
    device : torch.device
        Where the copy goes.
    precision : {"fp32", "bf16", "fp16"}
        What it computes in: the dtype of the images it takes (`dtype_of`).
    """
    was_training = model.training
    network = fold_batchnorm(model.eval()).requires_grad_(False)
    model.train(was_training)
    network = network.to(device, DTYPES[precision])
    network = network.to(memory_format=memory_format_of(network))  # type: ignore[call-overload]
    if precision != "fp32":
        _keep_last_convolution(network)
    return network


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model in evaluation mode for a while."""
    was_training = model.training
    try:
        yield model.eval()
    finally:
        model.train(was_training)


def has_attention(model: nn.Module) -> bool:
    """Tell whether a network's forward reports attention (``on_attention``)."""
    return "on_attention" in inspect.signature(model.forward).parameters


def has_global_statistics(model: nn.Module) -> bool:
    """Tell whether each pixel depends on means over the whole image, or on all of it.

    Such a network gives another result when it is run in tiles.
    """
    kinds = (nn.InstanceNorm2d, nn.GroupNorm, nn.AdaptiveAvgPool2d)
    is_global = any(isinstance(module, kinds) for module in model.modules())
    return is_global or _has_slice_statistics(model) or has_attention(model)


def n_parameters(model: nn.Module) -> int:
    """Count the numbers that a network learned."""
    return sum(parameter.numel() for parameter in model.parameters())


def memory_format_of(model: nn.Module) -> torch.memory_format:
    """Give the layout of the images that a network made ready takes."""
    is_slice = _has_slice_statistics(model)
    return torch.contiguous_format if is_slice else torch.channels_last


def dtype_of(model: nn.Module) -> torch.dtype:
    """Give the dtype of a network's first floating-point parameter, else float32."""
    dtypes = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(dtypes, torch.float32)


def _has_slice_statistics(model: nn.Module) -> bool:
    norms = (m for m in model.modules() if isinstance(m, SliceNorm2d))
    return any(norm.statistics == "slice" for norm in norms)


def _keep_last_convolution(network: nn.Module) -> None:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    if convolutions:
        convolutions[-1].float().register_forward_pre_hook(_to_float)


def _to_float(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(arg.float() for arg in args)
