"""Start ResViT's transformer from Google's ``R50+ViT-B_16.npz``."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_medsynth.errors import WeightsError
from napari_medsynth.models.blocks import (
    ARTBlock,
    TransformerEncoder,
    resample_positions,
)

from .weights import first_few

_ATTENTION = "MultiHeadDotProductAttention_1"
_MLP = {"fc1": "MlpBlock_3/Dense_0", "fc2": "MlpBlock_3/Dense_1"}
_NORMS = {"attention_norm": "LayerNorm_0", "ffn_norm": "LayerNorm_2"}
_POSITIONS = "Transformer/posembed_input/pos_embedding"


def load_vit_npz(model: nn.Module, path: Path | str) -> None:
    """Fill the transformers of a `ResViT` and their embeddings from a hybrid ViT.

    The class token is dropped and the positions are resampled to the model's grid;
    the convolutional part of the file and its classifier are not read.

    Parameters
    ----------
    model : Module
        A `ResViT` of the file's ``embed_dim``, ``n_heads`` and ``mlp_dim``, with at
        most its depth; changed in place.
    path : Path or str
        ``R50+ViT-B_16.npz`` (ImageNet-21k) [1]_.

    Raises
    ------
    WeightsError
        If the file is damaged, another one, or of other sizes than the model.
    ValueError
        If the model has no transformer.

    References
    ----------
    .. [1] A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021.
       https://arxiv.org/abs/2010.11929
    """
    path = Path(path)
    wanted = dict(_targets(model))
    if not wanted:
        raise ValueError("the model has no transformer to fill")
    arrays = _read_arrays(path, sorted({source for source, _ in wanted.values()}))
    state = model.state_dict()
    filled: dict[str, Tensor] = {}
    for key, (source, grid) in wanted.items():
        try:
            filled[key] = _converted(arrays[source], key, grid)
            is_fitting = filled[key].shape == state[key].shape
        except (IndexError, RuntimeError, TypeError, ValueError):
            is_fitting = False  # other dimensions, or not numbers
        if not is_fitting:
            raise WeightsError(
                f"{path.name}: {source} has shape {arrays[source].shape}, which does "
                f"not fit {key} {tuple(state[key].shape)}; a ResViT with the sizes of "
                "R50+ViT-B_16.npz is needed."
            )
    model.load_state_dict(filled, strict=False)


def _targets(model: nn.Module) -> Iterator[tuple[str, tuple[str, tuple[int, int]]]]:
    """Give each key to fill, the array that fills it, and the grid of positions."""
    for name, module in model.named_modules():
        if isinstance(module, TransformerEncoder):
            for key, source in _encoder_sources(len(module.layer)).items():
                yield f"{name}.{key}", (source, (0, 0))
        elif isinstance(module, ARTBlock):
            prefix, grid = f"{name}.embeddings", module.embeddings.token_grid
            yield f"{prefix}.patch_embeddings.weight", ("embedding/kernel", grid)
            yield f"{prefix}.patch_embeddings.bias", ("embedding/bias", grid)
            yield f"{prefix}.positional_encoding", (_POSITIONS, grid)


def _encoder_sources(depth: int) -> dict[str, str]:
    """Map the keys of a transformer encoder to the names of arrays."""
    sources = {
        "encoder_norm.weight": "Transformer/encoder_norm/scale",
        "encoder_norm.bias": "Transformer/encoder_norm/bias",
    }
    for i in range(depth):
        layer, block = f"layer.{i}", f"Transformer/encoderblock_{i}"
        for ours in ("query", "key", "value", "out"):
            sources[f"{layer}.attn.{ours}.weight"] = (
                f"{block}/{_ATTENTION}/{ours}/kernel"
            )
            sources[f"{layer}.attn.{ours}.bias"] = f"{block}/{_ATTENTION}/{ours}/bias"
        for ours, theirs in _MLP.items():
            sources[f"{layer}.ffn.{ours}.weight"] = f"{block}/{theirs}/kernel"
            sources[f"{layer}.ffn.{ours}.bias"] = f"{block}/{theirs}/bias"
        for ours, theirs in _NORMS.items():
            sources[f"{layer}.{ours}.weight"] = f"{block}/{theirs}/scale"
            sources[f"{layer}.{ours}.bias"] = f"{block}/{theirs}/bias"
    return sources


def _read_arrays(path: Path, names: list[str]) -> Mapping[str, np.ndarray]:
    """Read the named arrays and no others; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if not missing:
                return {name: file[name] for name in names}
            held = list(file)
    except FileNotFoundError as err:
        raise WeightsError(f"{path} does not exist; give R50+ViT-B_16.npz.") from err
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as err:
        raise WeightsError(
            f"{path.name} is not a whole .npz file: a failed download, perhaps; get "
            "R50+ViT-B_16.npz (461 MB) again."
        ) from err
    raise WeightsError(
        f"{path.name} lacks {len(missing)} of {len(names)} arrays "
        f"({first_few(missing)}) and holds {first_few(held)}; R50+ViT-B_16.npz is "
        "needed."
    )


def _converted(array: np.ndarray, key: str, grid: tuple[int, int]) -> Tensor:
    """Give an array in the layout of the tensor `key`."""
    tensor = torch.from_numpy(np.array(array, dtype=np.float32))
    if key.endswith(".positional_encoding"):
        side = round((tensor.shape[1] - 1) ** 0.5)
        if side * side != tensor.shape[1] - 1:
            return tensor
        return resample_positions(tensor[:, 1:], (side, side), grid)
    if key.endswith(".patch_embeddings.weight"):
        return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
    if not key.endswith(".weight") or tensor.ndim < 2:
        return tensor.flatten()
    n_in = tensor.shape[:2].numel() if ".attn.out." in key else tensor.shape[0]
    return tensor.reshape(n_in, -1).T
