"""Put a pack's weights into a network, and make the network ready to run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from threading import Lock
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_medsynth.catalogue import ModelCard, build_model, get_pack
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.blocks import SliceNorm2d, set_norm_statistics

N_CACHED = 2  # networks kept ready; the original ResViT holds 0.5 GB
N_NAMED = 3  # wrong tensors that a message names

Key = tuple[str, str, str, str]

_models: OrderedDict[Key, nn.Module] = OrderedDict()
_lock = Lock()


def load_model(card: ModelCard, *, device: torch.device | str = "cpu") -> nn.Module:
    """Build the network of `card` and fill it with the weights of its pack.

    The last `N_CACHED` networks are kept, so do not change what you get: copy it.

    Parameters
    ----------
    card : ModelCard
        Its id names the pack; its ``norm_statistics`` are those that are used.
    device : device or str
        Where to put the network.

    Returns
    -------
    Module
        float32, in evaluation mode, without gradients.

    Raises
    ------
    CardError
        If no model has this id, or its factory is unknown.
    WeightsError
        If the weights are missing, damaged, not those that the card names, or do not
        fit the network.
    """
    pack = get_pack(card.id)
    if card.sha256 and card.sha256 != pack.card.sha256:
        raise WeightsError(
            f"{card.title} needs the weights {card.sha256[:12]}, but those of its pack "
            f"are now {pack.card.sha256[:12]}: choose the model again."
        )
    key = (card.id, pack.card.sha256, str(torch.device(device)), card.norm_statistics)
    with _lock:
        if key not in _models:
            model = build_model(card)
            load_weights(model, numpy_to_state(pack.weights()), name=card.title)
            set_norm_statistics(model, card.norm_statistics)
            _models[key] = model.requires_grad_(False).eval().to(device)
            while len(_models) > N_CACHED:
                _models.popitem(last=False)
        _models.move_to_end(key)
        return _models[key]


def forget_models() -> None:
    """Drop the networks that `load_model` keeps, to free their memory."""
    with _lock:
        _models.clear()


def load_weights(model: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Copy `state` into `model`; every tensor must be there and fit.

    Parameters
    ----------
    model : Module
        Changed in place.
    state : mapping of str to Tensor
        By the keys of the model's state dict.
    name : str
        Of the weights, for messages.

    Raises
    ------
    WeightsError
        If tensors are missing, unknown or of another shape; the first few are named.
    """
    check_weights(model, state, name=name)
    model.load_state_dict(dict(state))


def check_weights(model: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Compare names and shapes only, so that `model` may be on the meta device.

    Raises
    ------
    WeightsError
        As `load_weights`.
    """
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in state]
    unknown = [key for key in state if key not in wanted]
    misshapen = [
        f"{key} {shape_text(state[key])} instead of {shape_text(tensor)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    complaints = [
        f"{len(keys)} {what}: {first_few(keys)}"
        for keys, what in (
            (missing, "missing"),
            (unknown, "unknown"),
            (misshapen, "of another shape"),
        )
        if keys
    ]
    if complaints:
        raise WeightsError(
            f"The weights of {name} do not fit {type(model).__name__}, "
            f"{'; '.join(complaints)}. Use the weights that belong to this network."
        )


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """Give a copy whose convolutions include the normalisation that follows them.

    Only layers in evaluation mode that use running statistics can be folded; those that
    use the statistics of each slice stay. The output is equal up to rounding.

    Parameters
    ----------
    model : Module
        In evaluation mode; not changed.

    Raises
    ------
    ValueError
        If the model is in training mode.
    """
    if model.training:
        raise ValueError("fold_batchnorm needs a model in evaluation mode, call eval()")
    folded = deepcopy(model)
    for row in folded.modules():
        if not isinstance(row, nn.Sequential):
            continue
        for index in range(len(row) - 1):
            conv, norm = row[index], row[index + 1]
            if not isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)):
                continue
            if _is_foldable(norm):
                is_transposed = isinstance(conv, nn.ConvTranspose2d)
                row[index] = fuse_conv_bn_eval(conv, norm, transpose=is_transposed)
                row[index + 1] = nn.Identity()
    return folded


def state_to_numpy(
    state: Mapping[str, Tensor], *, dtype: type[np.floating] = np.float32
) -> dict[str, np.ndarray]:
    """Give the tensors of a state dict as arrays, as a pack stores them.

    Parameters
    ----------
    state : mapping of str to Tensor
        On any device.
    dtype : float32 or float16
        Of all floating-point arrays but running statistics, which stay float32: a
        variance can be out of the range of float16.
    """
    arrays = {}
    for key, tensor in state.items():
        tensor = tensor.detach().cpu()
        if not tensor.is_floating_point():
            arrays[key] = tensor.numpy().copy()
            continue
        is_statistic = key.endswith((".running_mean", ".running_var"))
        array = tensor.float().numpy()
        arrays[key] = array.astype(np.float32 if is_statistic else dtype)
    return arrays


def numpy_to_state(weights: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Give a pack's arrays as tensors; floating-point ones become float32."""
    state = {}
    for key, array in weights.items():
        kind = np.float32 if np.issubdtype(array.dtype, np.floating) else array.dtype
        state[key] = torch.from_numpy(np.array(array, dtype=kind, order="C"))
    return state


def first_few(names: list[str]) -> str:
    """Join the first `N_NAMED` names, with an ellipsis if there are more."""
    return ", ".join(names[:N_NAMED]) + (", ..." if len(names) > N_NAMED else "")


def shape_text(tensor: Tensor | np.ndarray) -> str:
    """Write a shape as people do: "64x3x7x7", or "number"."""
    return "x".join(str(n) for n in tensor.shape) or "number"


def _is_foldable(norm: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    if isinstance(norm, SliceNorm2d):
        return norm.statistics == "running"
    return isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats
