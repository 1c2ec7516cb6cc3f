"""The network that a job trains, with its first weights, and its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from napari_medsynth.catalogue import ModelCard, ModelPack, build_model, get_pack
from napari_medsynth.catalogue import read_pack as read_pack_file
from napari_medsynth.engine.import_vit import load_vit_npz
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.models.blocks import TransformerEncoder, set_norm_statistics

from .card import fresh_card
from .job import SUFFIX, TrainJob
from .start import sharp_start


def base_pack(job: TrainJob) -> ModelPack | None:
    """Give the pack that `job` starts from, None without one.

    Raises
    ------
    CardError, WeightsError
        If it does not exist or is damaged.
    """
    if not job.base:
        return None
    is_file = job.base.endswith(SUFFIX)
    return read_pack_file(Path(job.base)) if is_file else get_pack(job.base)


def restores(job: TrainJob) -> bool:
    """Whether the model that a job trains makes a better image of the same thing.

    Raises
    ------
    CardError, WeightsError
        If what it starts from does not exist or is damaged.
    """
    if job.network is not None:
        return fresh_card(job, job.network).is_restoration
    base = base_pack(job)
    return base is not None and base.card.is_restoration


def start_network(job: TrainJob) -> tuple[ModelCard, nn.Module]:
    """Build the network of a job with its first weights, and its card.

    Raises
    ------
    CardError
        If the factory does not exist or does not take the options, or a ViT is given
        for a network without a transformer.
    WeightsError
        If the base's weights, or those of a ViT, are damaged or do not fit.
    """
    base = base_pack(job)
    if job.network is not None:
        card = fresh_card(job, job.network)
        model = build_model(card)
        if job.network.sharp_start:
            sharp_start(model)
        if base is not None:
            warm_start(model, base)
        if job.network.transformer:
            _fill_transformer(model, job.network.transformer)
    else:
        if base is None:  # TrainJob has checked: one of the two is there
            raise ValueError("a job needs a base or a network")
        card = replace(base.card, id=job.id, title=job.title, sha256="")
        model = build_model(card)
        load_weights(model, numpy_to_state(base.weights()), name=base.card.title)
    set_norm_statistics(model, card.norm_statistics)
    return card, model


def warm_start(model: nn.Module, base: ModelPack) -> int:
    """Copy the weights of `base` wherever name and shape agree; give their number.

    Raises
    ------
    WeightsError
        If none agrees.
    """
    state = model.state_dict()
    found = {
        name: tensor
        for name, tensor in numpy_to_state(base.weights()).items()
        if name in state and state[name].shape == tensor.shape
    }
    if not any(tensor.ndim > 1 for tensor in found.values()):  # a bias or two may fit
        raise WeightsError(
            f"No weight of {base.card.title} fits the network of this job: start from "
            "a model of the same family and width."
        )
    model.load_state_dict(found, strict=False)
    return len(found)


def _fill_transformer(model: nn.Module, path: str) -> None:
    if not any(isinstance(module, TransformerEncoder) for module in model.modules()):
        raise CardError(
            "transformer (ViT weights) needs a network with transformer_blocks, which "
            "this one does not have: leave one of them out."
        )
    load_vit_npz(model, path)
