"""What each source contributed to a synthesis: Shapley values, voxel by voxel."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes

from napari_medsynth.engine.device import max_batch
from napari_medsynth.engine.network import n_parameters
from napari_medsynth.engine.provenance import describe
from napari_medsynth.engine.slice_stack import SliceStack
from napari_medsynth.engine.slices import slice_indices
from napari_medsynth.errors import EngineError

from .shapley import MAX_PLAYERS, coalitions, shapley_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.io import Volume

Shares = Mapping[str, Mapping[str, float]]
Maps = Mapping[tuple[str, str], "NDArray[np.float32]"]

# 5 % of the range above background, as in `engine.metrics.foreground`.
_FOREGROUND = -1.0 + 2 * 0.05


@dataclass(frozen=True, eq=False)
class SliceContribution:
    """What the sources contributed to one slice.

    Parameters
    ----------
    index : int
        The slice, along the plane's axis.
    maps : mapping
        (target, source) to (h, w) float32, signed, in the network's unit, in which
        images reach from -1 to 1. Over the sources they sum to the synthesis minus
        what the network paints when it is shown nothing.
    sums : mapping
        Target to source to the sum of the map's magnitude over the foreground.
    n_runs : int
        How often the network was run; 0 on a slice without any signal.
    """

    index: int
    maps: Maps
    sums: Shares
    n_runs: int

    @property
    def shares(self) -> Shares:
        """Target to source to its share of the sums; all 0 if nothing contributed."""
        return _shares(self.sums)


@dataclass(frozen=True, eq=False)
class ContributionStep:
    """State of `contributions`.

    Parameters
    ----------
    done, total : int
        Runs of the network, one per slice and coalition.
    latest : SliceContribution, optional
        The slice that this step finished.
    """

    done: int
    total: int
    latest: SliceContribution | None = None


@dataclass(frozen=True, eq=False)
class Contribution:
    """What the sources contributed to all slices that were asked for.

    Parameters
    ----------
    shares : mapping
        Target to source to its share of the sum of |contribution| over the foreground:
        0 to 1, together 1, or all 0 if nothing contributed.
    volumes : mapping
        (target, source) to a volume of the maps of `SliceContribution`, from the first
        to the last slice, with ``metadata["trust"]`` "contribution".
    n_runs : int
        How often the network was run.
    notes : tuple of str
        What to know when reading it.
    """

    shares: Shares
    volumes: Mapping[tuple[str, str], Volume]
    n_runs: int
    notes: tuple[str, ...] = field(default=())


def contributions(
    prepared: Prepared, network: SliceNetwork, indices: Iterable[int] | None = None
) -> Generator[ContributionStep, None, Contribution]:
    """Find out what each available source contributes to each target.

    The network is run with every subset of the sources. What is left out is treated as
    missing, so that the subsets are what a unified model was trained on. The
    contribution of a source to a voxel is its Shapley value [1]_: what the voxel
    changes by when the source is added, averaged over all orders of adding.

    Parameters
    ----------
    prepared : Prepared
        The study, its sources and targets.
    network : SliceNetwork
        The model of `prepared`.
    indices : iterable of int, optional
        Slices along the plane's axis; all by default.

    Yields
    ------
    ContributionStep
        Before the first run and after every batch of runs.

    Raises
    ------
    EngineError
        If there are more than 4 sources, a slice does not exist or the network fails.

    References
    ----------
    .. [1] S. M. Lundberg and S.-I. Lee, "A unified approach to interpreting model
       predictions", NeurIPS 2017. https://arxiv.org/abs/1705.07874
    """
    chosen = slice_indices(indices, prepared.n_slices)
    n_each = 2 ** len(_players(prepared))
    total, n_runs = n_each * len(chosen), 0
    pairs = [(t, s) for t in prepared.targets for s in prepared.available]
    stacks = {pair: SliceStack(prepared, chosen) for pair in pairs}
    sums = {t: dict.fromkeys(prepared.available, 0.0) for t in prepared.targets}
    yield ContributionStep(0, total)
    for number, index in enumerate(chosen, start=1):
        done = n_each * (number - 1)
        found = yield from _of_slice(prepared, network, index, done, total)
        n_runs += found.n_runs
        for pair, image in found.maps.items():
            stacks[pair].add(index, image)
        for target, by_source in found.sums.items():
            for source, value in by_source.items():
                sums[target][source] += value
        yield ContributionStep(n_each * number, total, found)
    volumes = _volumes(prepared, network, stacks, chosen)
    return Contribution(_shares(sums), volumes, n_runs, notes_on(prepared.card))


def slice_contribution(
    prepared: Prepared, network: SliceNetwork, index: int
) -> SliceContribution:
    """Find out what the sources contribute to one slice; Raises as `contributions`."""
    (checked,) = slice_indices(index, prepared.n_slices)
    n_runs = 2 ** len(_players(prepared))
    steps = _of_slice(prepared, network, checked, 0, n_runs)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            found: SliceContribution = finished.value
            return found


def notes_on(card: ModelCard) -> tuple[str, ...]:
    """Say what to know when reading the contributions to a model's images."""
    if card.is_unified:
        return ()
    return (
        f"{card.title} was never trained with a source missing: its contributions are "
        "what it does when one is black, which may say little about the source.",
    )


def _players(prepared: Prepared) -> tuple[str, ...]:
    players = prepared.available
    if len(players) > MAX_PLAYERS:
        raise EngineError(
            f"Contributions are computed for up to {MAX_PLAYERS} sources, and "
            f"{len(players)} are shown: leave some out."
        )
    return players


def _of_slice(
    prepared: Prepared, network: SliceNetwork, index: int, done: int, total: int
) -> Generator[ContributionStep, None, SliceContribution]:
    """Run one slice with every subset of its sources; yield between batches."""
    players, targets = _players(prepared), prepared.targets
    if prepared.is_empty(index):  # where `predict` gives background, unasked
        black = np.zeros((len(targets), len(players), *prepared.frame.size))
        return _found(prepared, index, black, 0)
    members = coalitions(len(players))
    images = prepared.inputs((index,)).repeat(len(members), 1, 1, 1)
    for player, modality in enumerate(players):
        channel = prepared.card.inputs.index(modality)
        images[~members[:, player], channel] = prepared.card.missing_value
    size = max_batch(network.device, n_parameters=n_parameters(network.network))
    channels = [prepared.channel_of(target) for target in targets]
    made: list[NDArray[np.float32]] = []
    for batch in images.split(size):
        made += list(prepared.outputs(network(batch))[:, channels])
        yield ContributionStep(done + len(made), total)
    values = np.moveaxis(shapley_values(np.stack(made)), 0, 1)
    return _found(prepared, index, values, len(members))


def _found(
    prepared: Prepared, index: int, values: NDArray[np.float64], n_runs: int
) -> SliceContribution:
    """Name what was found: `values` is (targets, sources, h, w)."""
    inside = _foreground(prepared, index)
    maps, sums = {}, {}
    for target, of_target in zip(prepared.targets, values, strict=True):
        for source, image in zip(prepared.available, of_target, strict=True):
            maps[target, source] = image.astype(np.float32)
        totals = np.abs(of_target[:, inside]).sum(axis=1).tolist()
        sums[target] = dict(zip(prepared.available, totals, strict=True))
    return SliceContribution(index, maps, sums, n_runs)


def _foreground(prepared: Prepared, index: int) -> NDArray[np.bool_]:
    """Tell where any source shows something, holes filled, (h, w)."""
    images = prepared.sources.images((index,), prepared.frame.axis)[0]
    shown = [prepared.card.inputs.index(m) for m in prepared.available]
    return np.asarray(binary_fill_holes(images[shown].max(axis=0) > _FOREGROUND))


def _shares(sums: Shares) -> Shares:
    totals = {target: sum(found.values()) or 1.0 for target, found in sums.items()}
    return {
        target: {source: value / totals[target] for source, value in found.items()}
        for target, found in sums.items()
    }


def _volumes(
    prepared: Prepared,
    network: SliceNetwork,
    stacks: Mapping[tuple[str, str], SliceStack],
    indices: tuple[int, ...],
) -> dict[tuple[str, str], Volume]:
    card = prepared.card
    provenance = describe(
        card,
        prepared.sources,
        targets=prepared.targets,
        plane=prepared.plane,
        slices=indices,
        device=str(network.device),
        precision=network.precision,
        messages=notes_on(card),
    )
    return {
        (target, source): stack.volume(
            f"{source} in {target} ({card.title or card.id})",
            trust="contribution",
            source=source,
            target=target,
            provenance=provenance,
        )
        for (target, source), stack in stacks.items()
    }
