"""predict: a study and a card in, synthetic volumes out, slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack
from functools import partial

import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError
from napari_medsynth.io import Study

from .attention import AttentionRecorder
from .batches import BatchRunner
from .device import choose_device, choose_precision
from .drawing import Drawing
from .network import evaluating, has_attention, network_for, ready
from .progress import Progress, Result
from .provenance import describe
from .slices import frame_slices, slice_indices
from .sources import gather_sources

__all__ = ["Progress", "Result", "predict"]


def predict(
    study: Study,
    card: ModelCard,
    *,
    targets: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    plane: str = "axial",
    slices: int | Iterable[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    attention: Collection[str] = (),
    model: nn.Module | None = None,
    batch_size: int | None = None,
) -> Generator[Progress, None, Result]:
    """Synthesise missing contrasts of a study, a few slices at a time.

    Closing the generator stops it after the batch that is running.

    Parameters
    ----------
    study : Study
        Volumes (1, Z, Y, X) in any unit and on any grid; NaN counts as background.
    card : ModelCard
        Which model; its weights come from the registry.
    targets : collection of str, optional
        Modalities to make; those outputs of the card that the study lacks by default.
    sources : collection of str, optional
        Modalities to look at; all inputs of the card that the study has by default. A
        target is never looked at, even if the study has it.
    plane : {"axial", "coronal", "sagittal"}
        How to cut slices.
    slices : int or iterable of int, optional
        Indices along the plane's axis of the reference grid; all by default.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps"; see `choose_device`.
    precision : str
        "auto", "fp32", "bf16", "fp16"; see `choose_precision`.
    attention : collection of str
        "rollout", "chain", "mean"; see `AttentionRecorder`.
    model : Module, optional
        Use this network instead of the card's, as it is: on its own device and in fp32,
        unless `device` and `precision` say otherwise.
    batch_size : int, optional
        Slices at once; chosen by network and free memory by default.

    Yields
    ------
    Progress
        Once before the first slice, then after every batch, and when memory runs out:
        the batch is halved, then the CPU takes over.

    Returns
    -------
    Result
        Volumes on the grid of the first source in the card's order: finite, float32.
        Slices not asked for hold background. So do slices without any signal in the
        sources (all below 1 % of their range): the network is not run on them.

    Raises
    ------
    CardError
        If the model cannot make these targets of these sources, or has no attention.
    VolumeError
        If volumes cannot be brought to one grid.
    WeightsError
        If the model's weights are missing or damaged.
    EngineError
        If an option is unknown, a slice does not exist, or the network fails.
    DeviceMemoryError
        If one slice on the CPU needs more memory than there is.
    """
    targets, sources = _resolve(study, card, targets, sources)
    gathered = gather_sources(study, card, sources)
    frame = frame_slices(
        gathered.reference,
        plane,
        size_multiple=card.size_multiple,
        spacing=card.spacing,
    )
    indices = slice_indices(slices, gathered.reference.shape[frame.axis])
    drawing = Drawing(gathered, targets, frame, indices)
    recorder = AttentionRecorder(attention) if attention else None
    chosen = _choose(card, model, device, precision)
    yield Progress(0, len(indices))
    with ExitStack() as stack:
        if model is not None:
            stack.enter_context(evaluating(model))
        runner = BatchRunner(
            partial(_network, card, model),
            *chosen,
            frame=frame,
            missing=gathered.missing,
            missing_value=card.missing_value,
            batch_size=batch_size,
        )
        stack.callback(runner.close)
        if recorder is not None and not has_attention(runner.network):
            raise CardError(f"{card.title} has no attention to record: choose none.")
        messages = yield from drawing.fill(runner, recorder)
        provenance = describe(
            card,
            gathered,
            targets=targets,
            plane=plane,
            slices=indices,
            device=str(runner.device),
            precision=runner.precision,
            messages=messages,
        )
    return drawing.result(provenance)


def _resolve(
    study: Study,
    card: ModelCard,
    targets: Collection[str] | None,
    sources: Collection[str] | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fill in the defaults; refuse what the model cannot do."""
    if card.spatial_dims != 2:
        raise CardError(
            f"{card.title} needs a 3D engine, and napari-medsynth runs models of "
            "slices only: choose one of those."
        )
    if targets is None:
        targets = [modality for modality in card.outputs if modality not in study]
    if sources is None:
        sources = [modality for modality in card.inputs if modality in study]
    sources = [modality for modality in sources if modality not in targets]
    if reason := card.why_not(sources, targets):
        raise CardError(reason)
    return tuple(dict.fromkeys(targets)), tuple(dict.fromkeys(sources))


def _choose(
    card: ModelCard, model: nn.Module | None, device: str, precision: str
) -> tuple[torch.device, str]:
    """Choose device and precision; a given model stays what it is on "auto"."""
    if model is None:
        chosen = choose_device(device)
        return chosen, choose_precision(
            precision,
            chosen,
            n_parameters=card.parameters or None,
            norm_statistics=card.norm_statistics,
        )
    chosen = _home(model) if device == "auto" else choose_device(device)
    precision = "fp32" if precision == "auto" else precision
    return chosen, choose_precision(precision, chosen)


def _network(
    card: ModelCard, model: nn.Module | None, device: torch.device, precision: str
) -> nn.Module:
    if model is None:
        return network_for(card, device, precision)
    is_there = (device.type, device.index or 0) == (
        _home(model).type,
        _home(model).index or 0,
    )
    return (
        model if is_there and precision == "fp32" else ready(model, device, precision)
    )


def _home(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
