"""Import published checkpoints, and start training from published weights."""

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
from .import_layout import LIMITS, layout_card, recognise
from .import_resvit import infer_options, is_resvit, resvit_card
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
_TRANSFORMER_PARTS = ("downsample", "embeddings", "transformer", "upsample", "cc")


def import_checkpoint(
    path: Path | str,
    *,
    card_id: str,
    title: str = "",
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    is_unified: bool = False,
    layout: str = "",
    n_heads: int | None = None,
    norm_statistics: str | None = None,
    licence: str = "",
    training_data: str = "",
    replace: bool = False,
    output: Path | str | None = None,
) -> Path:
    """Turn an official checkpoint into a model pack.

    Which network it is, its sizes and its channels follow from the names and shapes of
    the tensors.

    Parameters
    ----------
    path : Path or str
        ``latest_net_G.pth`` of ResViT's code, or a file of a network that
        `engine.import_layout.known_networks` names; read in a child process.
    card_id, title : str
        Of the new model; an empty title says what was found.
    inputs, outputs : sequence of str
        Modalities in the order of the channels. Files do not know them: needed for
        ResViT, otherwise those of the network's card by default.
    is_unified : bool
        True if any contrast may be missing: inputs and outputs are then the same.
    layout : str
        Whose file it is, if several networks spell their weights alike; by default the
        official one. The pack's ``card.training`` names the others.
    n_heads : int, optional
        Of ResViT's transformer; one per 64 numbers of a token, as in every ViT, if
        None.
    norm_statistics : {"batch", "running"}, optional
        By default those that the authors tested with: of each slice ("batch") for
        ResViT and pix2pix.
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
    training: dict[str, Any] = {"imported_from": path.name}
    if is_resvit(state):
        card = resvit_card(
            state,
            name=path.name,
            card_id=card_id,
            inputs=inputs,
            outputs=outputs,
            n_heads=n_heads,
            norm_statistics=norm_statistics or "batch",
        )
    else:
        found = recognise(state, name=path.name, layout=layout)
        card = layout_card(
            state,
            found.layout,
            name=path.name,
            card_id=card_id,
            inputs=inputs,
            outputs=outputs,
            norm_statistics=norm_statistics,
        )
        state = found.layout.renamed(state)
        training |= {"layout": found.layout.name, "other_layouts": list(found.others)}
    card = dataclasses.replace(
        card,
        title=title or card.title,
        is_unified=is_unified or card.is_unified,
        licence=licence,
        training_data=training_data,
        limits=LIMITS,
        training=training,
    )
    return _write(output, card, state, path.name)


def _write(
    output: Path | str, card: ModelCard, state: Mapping[str, Tensor], name: str
) -> Path:
    """Check the weights against the network of `card`, and write the pack."""
    with torch.device("meta"):  # names and shapes; no memory
        model = build_model(card)
    state = _with_counters(state, model)
    check_weights(model, state, name=name)
    arrays = state_to_numpy(state)
    _check_finite(arrays, name)
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
