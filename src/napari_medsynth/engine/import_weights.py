"""Import published ResViT checkpoints, and start training from published weights."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_medsynth.catalogue import (
    ModelCard,
    build_model,
    check_id_is_free,
    models_folder,
    write_pack,
)
from napari_medsynth.errors import WeightsError

from ._read_checkpoint import REFUSED
from .import_vit import load_vit_npz
from .weights import check_weights, first_few, load_weights, state_to_numpy

__all__ = [
    "import_checkpoint",
    "infer_options",
    "load_vit_npz",
    "read_checkpoint",
    "warm_start",
]

PATIENCE = 600  # [s] for reading one checkpoint
REFERENCE = "https://arxiv.org/abs/2106.16031"
FACTORY = "napari_medsynth.models.resvit:ResViT"
_ENDS = ("encoder_1.1.weight", "decoder_3.1.weight")
_TRANSFORMER_PARTS = ("downsample", "embeddings", "transformer", "upsample", "cc")


def import_checkpoint(
    path: Path | str,
    *,
    card_id: str,
    title: str = "",
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    is_unified: bool = False,
    n_heads: int | None = None,
    norm_statistics: str = "batch",
    licence: str = "",
    training_data: str = "",
    replace: bool = False,
    output: Path | str | None = None,
) -> Path:
    """Turn an official ResViT checkpoint into a model pack.

    Sizes, channels and the stage (with transformers or without) follow from the shapes
    of the tensors.

    Parameters
    ----------
    path : Path or str
        ``latest_net_G.pth`` of the official code; read in a child process.
    card_id, title : str
        Of the new model; the title is the id if it is empty.
    inputs, outputs : sequence of str
        Modalities in the order of the channels; the file does not know them.
    is_unified : bool
        True if any contrast may be missing: inputs and outputs are then the same.
    n_heads : int, optional
        Of the transformer; one per 64 numbers of a token, as in every ViT, if None.
    norm_statistics : {"batch", "running"}
        The authors validated with those of each slice.
    licence, training_data : str
        For the card.
    replace : bool
        Replace an imported model of this id.
    output : Path or str, optional
        Pack to write; by default one in the user's folder, where the registry finds it.

    Returns
    -------
    Path
        Of the pack.

    Raises
    ------
    WeightsError
        If the file is not such a checkpoint, or cannot be read or written.
    CardError
        If the id is taken, or the modalities do not fit together.
    """
    path = Path(path)
    if output is None:
        check_id_is_free(card_id, replace=replace)
        output = models_folder() / f"{card_id}.safetensors"
    state = read_checkpoint(path)
    options = infer_options(state, name=path.name, n_heads=n_heads)
    card = ModelCard(
        id=card_id,
        family="resvit",
        task="synthesis",
        title=title or card_id,
        factory=FACTORY,
        options=options,
        inputs=_modalities(inputs, "inputs", options["in_channels"], path.name),
        outputs=_modalities(outputs, "outputs", options["out_channels"], path.name),
        is_unified=is_unified,
        norm_statistics=norm_statistics,
        licence=licence,
        reference=REFERENCE,
        training_data=training_data,
        limits="Imported; its quality was not measured here.",
        training={"imported_from": path.name},
    )
    with torch.device("meta"):  # names and shapes; no memory
        model = build_model(card)
    state = _with_counters(state, model)
    check_weights(model, state, name=path.name)
    arrays = state_to_numpy(state)
    _check_finite(arrays, path.name)
    n_parameters = sum(p.numel() for p in model.parameters())
    card = dataclasses.replace(card, parameters=n_parameters)
    return write_pack(output, card, arrays).path


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """Read a ``.pth`` in a child process, the shared transformer spelled once.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or holds more than tensors, or the copies of
        the shared transformer in it differ.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} is no file; give the path of a .pth checkpoint.")
    with TemporaryDirectory(prefix="medsynth-") as folder:
        target = Path(folder) / "state.safetensors"
        module = "napari_medsynth.engine._read_checkpoint"
        command = [sys.executable, "-P", "-m", module, str(path.resolve()), str(target)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except subprocess.TimeoutExpired as err:
            raise WeightsError(
                f"Reading {path.name} took more than {PATIENCE} s; it is damaged or "
                "made to do harm, get it again."
            ) from err
        if done.returncode == REFUSED:
            raise WeightsError(done.stderr)
        if done.returncode or not target.is_file():
            raise WeightsError(
                f"{path.name} cannot be read: the process that opened it ended with "
                f"status {done.returncode}; get the file again."
            )
        return {key: tensor.clone() for key, tensor in load_file(target).items()}


def infer_options(
    state: Mapping[str, Tensor], *, name: str, n_heads: int | None = None
) -> dict[str, Any]:
    """Tell the options of a `ResViT` by the shapes of its weights.

    Raises
    ------
    WeightsError
        If these are not the weights of one.
    """
    lacking = [key for key in _ENDS if key not in state or state[key].ndim != 4]
    if lacking:
        hint = (
            "it looks like a discriminator, use latest_net_G.pth"
            if any(key.startswith("model.") for key in state)
            else "use a generator of the official ResViT code"
        )
        raise WeightsError(
            f"{name} needs {' and '.join(lacking)}, but holds "
            f"{first_few(list(state))}; {hint}."
        )
    first, last = (state[key] for key in _ENDS)
    blocks = {key.split(".")[0] for key in state if key.startswith("art_")}
    options: dict[str, Any] = {
        "in_channels": first.shape[1],
        "out_channels": last.shape[0],
        "width": first.shape[0],
        "n_blocks": len(blocks),
        "transformer_blocks": [],
    }
    embedded = [key for key in state if key.endswith(".positional_encoding")]
    if embedded:
        numbers = [key.split(".")[0].removeprefix("art_") for key in embedded]
        options["transformer_blocks"] = sorted(int(n) for n in numbers if n.isdecimal())
        options |= _transformer_options(state, embedded[0], name, n_heads)
    return options


def warm_start(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights of a `ResViT` without transformers into one that has some.

    Parameters
    ----------
    model : Module
        A `ResViT`; its transformers and what surrounds them keep their values.
    state : mapping of str to Tensor
        State dict of the pre-training stage, with equal `width` and `n_blocks`.

    Raises
    ------
    WeightsError
        If tensors are missing, unknown or of another shape; the first few are named.
    """
    own = {key: v for key, v in model.state_dict().items() if _is_transformers(key)}
    load_weights(model, {**own, **state}, name="the pre-training stage")


def _is_transformers(key: str) -> bool:
    """Tell if a tensor belongs to a transformer or its surroundings."""
    block, part, *_ = key.split(".")
    return block == "transformer_encoder" or part in _TRANSFORMER_PARTS


def _transformer_options(
    state: Mapping[str, Tensor], positions: str, name: str, n_heads: int | None
) -> dict[str, Any]:
    """Tell the sizes of the shared transformer by its weights."""
    hidden = "transformer_encoder.layer.0.ffn.fc1.weight"
    n_tokens, embed_dim = [0, 0, *state[positions].shape][-2:]
    side = round(n_tokens**0.5)
    if side * side != n_tokens or hidden not in state or state[hidden].ndim != 2:
        raise WeightsError(
            f"{name} needs a matrix {hidden} and positions of a square grid, got "
            f"{n_tokens} positions; use a generator of the official ResViT code."
        )
    layers = {k.split(".")[2] for k in state if k.startswith("transformer_encoder.lay")}
    return {
        "embed_dim": embed_dim,
        "depth": len(layers),
        "n_heads": n_heads or max(1, embed_dim // 64),
        "mlp_dim": state[hidden].shape[0],
        "token_grid": [side, side],
    }


def _modalities(
    names: Sequence[str] | None, side: str, n_channels: int, name: str
) -> tuple[str, ...]:
    if names is None or len(names) != n_channels:
        raise WeightsError(
            f"{name} has {n_channels} {side}: name their modalities in the order of "
            f"its channels, got {', '.join(names) if names else 'none'}."
        )
    return tuple(names)


def _with_counters(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Add the batch counters that checkpoints of old torch versions lack."""
    keys = (k for k in model.state_dict() if k.endswith(".num_batches_tracked"))
    return {**dict.fromkeys(keys, torch.tensor(0)), **state}


def _check_finite(arrays: Mapping[str, np.ndarray], name: str) -> None:
    broken = [key for key, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(
            f"{name} holds numbers that are not finite in {first_few(broken)}; its "
            "training diverged, use an earlier checkpoint."
        )
