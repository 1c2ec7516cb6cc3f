"""predict: a study and a card in, synthetic volumes out, slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack
from functools import partial

from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.io import Study

from .attention import AttentionRecorder
from .batches import BatchRunner
from .drawing import Drawing
from .network import evaluating, has_attention, has_global_statistics
from .prepared import prepare_study
from .progress import Progress, Result
from .provenance import describe
from .slice_network import choose_network, network_on
from .slices import slice_indices

__all__ = ["Progress", "Result", "predict"]

IN_TILES = (
    "Run in tiles of {tile} pixels: this network uses means over its whole image, so "
    "the result differs a little from that of the image in one piece."
)


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
    tile: int | None = None,
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
    tile : int, optional
        Side of the tiles that larger slices are run in [pixel]; 0 runs them whole. The
        card's by default.

    Yields
    ------
    Progress
        Once before the first slice, then after every batch and every tile, and when
        memory runs out: the batch is halved, then the tiles, then the CPU takes over.

    Returns
    -------
    Result
        Volumes on the grid of the first source in the card's order: finite, float32.
        Slices not asked for hold background, or the source if the model restores it.
        So do slices without any signal in the sources (all below 1 % of their range):
        the network is not run on them. What is in a physical unit (a window of the
        card) is clipped to the range that the card declares; a restored image keeps
        what its source has outside of the range that the network sees.

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
    prepared = prepare_study(study, card, targets=targets, sources=sources, plane=plane)
    gathered, frame = prepared.sources, prepared.frame
    indices = slice_indices(slices, prepared.n_slices)
    tile = _checked_tile(card, tile)
    drawing = Drawing(gathered, prepared.targets, frame, indices)
    recorder = AttentionRecorder(attention) if attention else None
    chosen = choose_network(card, model, device, precision)
    yield Progress(0, len(indices))
    with ExitStack() as stack:
        if model is not None:
            stack.enter_context(evaluating(model))
        runner = BatchRunner(
            partial(network_on, card, model),
            *chosen,
            frame=frame,
            missing=gathered.missing,
            missing_value=card.missing_value,
            batch_size=batch_size,
            tile=tile,
            overlap=card.overlap,
            multiple=card.size_multiple,
        )
        stack.callback(runner.close)
        if recorder is not None and not has_attention(runner.network):
            raise CardError(f"{card.title} has no attention to record: choose none.")
        messages = yield from drawing.fill(runner, recorder)
        if runner.tile and recorder is None and has_global_statistics(runner.network):
            messages.append(IN_TILES.format(tile=runner.tile))
        provenance = describe(
            card,
            gathered,
            targets=prepared.targets,
            plane=plane,
            slices=indices,
            device=str(runner.device),
            precision=runner.precision,
            tile=0 if recorder is not None else runner.tile,
            messages=messages,
        )
    return drawing.result(provenance)


def _checked_tile(card: ModelCard, tile: int | None) -> int:
    if tile is None:
        return card.tile
    if tile < 0:
        raise EngineError(f"A tile has a side of 1 pixel or more, or 0; got {tile}.")
    return tile
