"""What each source contributed to a synthesis: Shapley values, voxel by voxel."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_medsynth.engine.progress import exhausted
from napari_medsynth.engine.provenance import describe
from napari_medsynth.engine.slice_stack import SliceStack
from napari_medsynth.engine.slices import slice_indices

from .one_slice import (
    ByTarget,
    Maps,
    SliceContribution,
    Tally,
    check_sources,
    slice_steps,
)

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.io import Volume

Volumes = Mapping[tuple[str, str], "Volume"]


@dataclass(frozen=True, eq=False)
class ContributionStep:
    """State of `contributions`.

    Parameters
    ----------
    done, total : int
        Runs of the network, one per slice and subset of the sources.
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
    volumes : mapping
        (target, source) to a volume of ``SliceContribution.maps``, from the first to
        the last slice, with ``metadata["trust"]`` "contribution".
    changes : mapping
        The same of ``SliceContribution.changes``, with "change".
    tally : Tally
        Over the foreground of all slices.
    n_runs : int
        How often the network was run.
    notes : tuple of str
        What to know when reading it.
    """

    volumes: Volumes
    changes: Volumes
    tally: Tally
    n_runs: int
    notes: tuple[str, ...] = field(default=())

    @property
    def shares(self) -> ByTarget:
        """Target to source to its share of the sum of |contribution|.

        0 to 1, together 1, or all 0 if nothing contributed.
        """
        return self.tally.shares


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

    Notes
    -----
    Contributions are counted from an image that shows nothing. Whichever source comes
    first brings the whole head, so that sources of which each would nearly suffice
    have nearly equal shares, and one that corrects what another brings may have a
    small share. ``tally.alone`` and ``tally.left_out`` tell that apart: show
    them beside the shares.

    References
    ----------
    .. [1] S. M. Lundberg and S.-I. Lee, "A unified approach to interpreting model
       predictions", NeurIPS 2017. https://arxiv.org/abs/1705.07874
    """
    sources = check_sources(prepared)
    chosen = slice_indices(indices, prepared.n_slices)
    n_each = 2 ** len(sources)
    total, n_runs = n_each * len(chosen), 0
    tally = Tally.empty(prepared.targets, sources)
    pairs = [(t, s) for t in prepared.targets for s in sources]
    maps, changes = (
        {pair: SliceStack(prepared, chosen) for pair in pairs} for _ in range(2)
    )
    yield ContributionStep(0, total)
    for number, index in enumerate(chosen):
        steps = slice_steps(prepared, network, index)
        found = yield from _counted(steps, n_each * number, total)
        n_runs += found.n_runs
        tally += found.tally
        _add(maps, index, found.maps)
        _add(changes, index, found.changes)
        yield ContributionStep(n_each * (number + 1), total, found)
    facts = _facts(prepared, network, chosen)
    return Contribution(
        _volumes(maps, prepared.card, "contribution", facts),
        _volumes(changes, prepared.card, "change", facts),
        tally,
        n_runs,
        notes_on(prepared.card),
    )


def slice_contribution(
    prepared: Prepared, network: SliceNetwork, index: int
) -> SliceContribution:
    """Find out what the sources contribute to one slice; Raises as `contributions`."""
    (checked,) = slice_indices(index, prepared.n_slices)
    found: SliceContribution = exhausted(slice_steps(prepared, network, checked))
    return found


def notes_on(card: ModelCard) -> tuple[str, ...]:
    """Say what to know when reading the contributions to a model's images."""
    if card.is_unified:
        return ()
    return (
        f"{card.title} was never trained with a source missing: its contributions are "
        "what it does when one is black, which may say little about the source.",
    )


def _counted(
    steps: Generator[int, None, SliceContribution], before: int, total: int
) -> Generator[ContributionStep, None, SliceContribution]:
    while True:
        try:
            yield ContributionStep(before + next(steps), total)
        except StopIteration as finished:
            found: SliceContribution = finished.value
            return found


def _add(stacks: Mapping[tuple[str, str], SliceStack], index: int, maps: Maps) -> None:
    for pair, image in maps.items():
        stacks[pair].add(index, image)


def _facts(
    prepared: Prepared, network: SliceNetwork, indices: tuple[int, ...]
) -> dict[str, object]:
    return describe(
        prepared.card,
        prepared.sources,
        targets=prepared.targets,
        plane=prepared.plane,
        slices=indices,
        device=str(network.device),
        precision=network.precision,
        messages=notes_on(prepared.card),
    )


def _volumes(
    stacks: Mapping[tuple[str, str], SliceStack],
    card: ModelCard,
    kind: str,
    provenance: dict[str, object],
) -> dict[tuple[str, str], Volume]:
    return {
        (target, source): stack.volume(
            f"{kind} of {source} in {target} ({card.title or card.id})",
            synthetic=True,
            trust=kind,
            source=source,
            target=target,
            provenance=provenance,
        )
        for (target, source), stack in stacks.items()
    }
