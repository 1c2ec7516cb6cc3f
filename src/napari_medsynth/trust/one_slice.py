"""What each source contributed to one slice."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_fill_holes

from napari_medsynth.engine.device import max_batch
from napari_medsynth.engine.network import n_parameters
from napari_medsynth.errors import EngineError

from .shapley import MAX_PLAYERS, coalitions, shapley_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork

Maps = Mapping[tuple[str, str], "NDArray[np.float32]"]
ByTarget = Mapping[str, Mapping[str, float]]

# 5 % of the range above background, as in `engine.metrics.foreground`.
_FOREGROUND = -1.0 + 2 * 0.05


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over foreground voxels, of one slice or several.

    Parameters
    ----------
    targets, sources : tuple of str
    sums : ndarray
        (3, targets, sources): of the magnitudes of the contributions, of what is wrong
        with each source alone, and of what is lost without it.
    n_voxels : int
        How many voxels were summed.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    sums: NDArray[np.float64]
    n_voxels: int

    @classmethod
    def empty(cls, targets: tuple[str, ...], sources: tuple[str, ...]) -> Tally:
        """Give the sums of no voxel."""
        return cls(targets, sources, np.zeros((3, len(targets), len(sources))), 0)

    @property
    def shares(self) -> ByTarget:
        """Each source's share of the contributions' magnitudes; 0 if there are none."""
        total = self.sums[0].sum(axis=1, keepdims=True)
        return self._named(self.sums[0] / np.where(total > 0, total, 1))

    @property
    def alone(self) -> ByTarget:
        """How far the synthesis of one source alone is from that of all, 0 to 1."""
        return self._named(self._mean(1))

    @property
    def left_out(self) -> ByTarget:
        """How much the synthesis changes without one source, 0 to 1."""
        return self._named(self._mean(2))

    def __add__(self, other: Tally) -> Tally:
        sums, n_voxels = self.sums + other.sums, self.n_voxels + other.n_voxels
        return Tally(self.targets, self.sources, sums, n_voxels)

    def _mean(self, which: int) -> NDArray[np.float64]:
        """Mean magnitude per voxel as a share of the network's range, -1 to 1."""
        return self.sums[which] / max(self.n_voxels, 1) / 2

    def _named(self, values: NDArray[np.float64]) -> ByTarget:
        return {
            target: dict(zip(self.sources, row, strict=True))
            for target, row in zip(self.targets, values.tolist(), strict=True)
        }


@dataclass(frozen=True, eq=False)
class SliceContribution:
    """What the sources contributed to one slice.

    Parameters
    ----------
    index : int
        The slice, along the plane's axis.
    maps : mapping
        (target, source) to (h, w) float32: its Shapley value, signed, in the network's
        unit, in which images reach from -1 to 1. Over the sources they sum to the
        synthesis minus what the network paints when it is shown nothing.
    changes : mapping
        (target, source) to (h, w) float32: the synthesis minus that without the source.
    tally : Tally
        Sums over the foreground; ``tally.shares`` are the numbers for a bar chart.
    n_runs : int
        How often the network was run; 0 on a slice without any signal.
    """

    index: int
    maps: Maps
    changes: Maps
    tally: Tally
    n_runs: int

    @property
    def shares(self) -> ByTarget:
        """Target to source to its share of the sum of |contribution|."""
        return self.tally.shares


def check_sources(prepared: Prepared) -> tuple[str, ...]:
    """Give the sources whose contributions are asked for.

    Raises
    ------
    EngineError
        If there are more than 4.
    """
    if len(prepared.available) > MAX_PLAYERS:
        raise EngineError(
            f"Contributions are computed for up to {MAX_PLAYERS} sources, and "
            f"{len(prepared.available)} are shown: leave some out."
        )
    return prepared.available


def slice_steps(
    prepared: Prepared, network: SliceNetwork, index: int
) -> Generator[int, None, SliceContribution]:
    """Run one slice with every subset of its sources; yield the runs done so far.

    Raises
    ------
    EngineError
        If there are more than 4 sources, or the network fails.
    """
    sources, targets = check_sources(prepared), prepared.targets
    members = coalitions(len(sources))
    if prepared.is_empty(index):  # where `predict` gives background, unasked
        black = np.zeros((len(members), len(targets), *prepared.frame.size))
        return _found(prepared, index, black, 0)
    images = prepared.inputs((index,)).repeat(len(members), 1, 1, 1)
    for player, modality in enumerate(sources):
        for channel in prepared.shown_channels(modality):
            images[~members[:, player], channel] = prepared.card.missing_value
    size = max_batch(network.device, n_parameters=n_parameters(network.network))
    channels = [prepared.channel_of(target) for target in targets]
    made: list[NDArray[np.float32]] = []
    for batch in images.split(size):
        made += list(prepared.outputs(network(batch))[:, channels])
        yield len(made)
    return _found(prepared, index, np.stack(made), len(members))


def _found(
    prepared: Prepared, index: int, made: NDArray[np.floating], n_runs: int
) -> SliceContribution:
    """Name what was found: `made` is (coalitions, targets, h, w)."""
    targets, sources = prepared.targets, prepared.available
    single = 1 << np.arange(len(sources))  # the coalition of one source
    alone = made[-1] - made[single]
    changes = made[-1] - made[len(made) - 1 - single]
    each = np.stack([shapley_values(made), alone, changes])  # (3, sources, targets, ..)
    inside = _foreground(prepared, index)
    sums = np.abs(each[..., inside]).sum(axis=-1).swapaxes(1, 2)
    maps, lost = (
        {
            (target, source): np.asarray(images[s, t], np.float32)
            for t, target in enumerate(targets)
            for s, source in enumerate(sources)
        }
        for images in (each[0], each[2])
    )
    tally = Tally(targets, sources, sums, int(inside.sum()))
    return SliceContribution(index, maps, lost, tally, n_runs)


def _foreground(prepared: Prepared, index: int) -> NDArray[np.bool_]:
    """Tell where any source shows something, holes filled, (h, w)."""
    images = prepared.sources.images((index,), prepared.frame.axis)[0]
    shown = images[prepared.shown_channels()]
    return np.asarray(binary_fill_holes(shown.max(axis=0) > _FOREGROUND))
