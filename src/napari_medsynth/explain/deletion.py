"""Deletion: what a synthesis loses with the regions that a map marks most or least."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from napari_medsynth.engine.slices import BACKGROUND
from napari_medsynth.errors import EngineError

if TYPE_CHECKING:
    from napari_medsynth.engine.slice_network import SliceNetwork

    from .query import Query
    from .record import SliceRecord

FRACTIONS = (0.05, 0.1, 0.2, 0.4)
N_DRAWS = 9
N_RUNS = 2 * (1 + N_DRAWS)
_CELL = 16  # pixels, where a map has no tokens
_VISIBLE = BACKGROUND + 0.1  # 5 % of the range
_FEWEST_CELLS = 10


@dataclass(frozen=True, eq=False)
class Curves:
    """Change of the synthesis [share of its range] at each of `FRACTIONS`.

    Parameters
    ----------
    most, least : ndarray
        (fractions,), of the most and of the least marked regions.
    draws : ndarray
        (draws, 2, fractions), most and least of the same map moved elsewhere.
    """

    most: NDArray[np.float64]
    least: NDArray[np.float64]
    draws: NDArray[np.float64]

    @property
    def random(self) -> NDArray[np.float64]:
        """(fractions,), of regions as clustered as the most marked, but elsewhere."""
        mean: NDArray[np.float64] = self.draws[:, 0].mean(axis=0)
        return mean

    @property
    def gap(self) -> float:
        """Most minus least, mean over the fractions."""
        return float(self.most.mean() - self.least.mean())

    @property
    def gaps_elsewhere(self) -> NDArray[np.float64]:
        """(draws,), the gap of the map moved elsewhere."""
        means = self.draws.mean(axis=2)
        gaps: NDArray[np.float64] = means[:, 0] - means[:, 1]
        return gaps

    @property
    def faithfulness(self) -> float:
        """The gap over the change by random regions; 0 if nothing changes."""
        random = float(self.random.mean())
        return self.gap / random if random else 0.0

    @property
    def is_faithful(self) -> bool:
        """Most and least marked are further apart than wherever the map is moved.

        A map that has nothing to do with the model passes about once in
        ``N_DRAWS + 1`` times.
        """
        return bool(self.gap > max(0.0, *self.gaps_elsewhere))


class Deletion:
    """A slice cut into cells that can be deleted: made the mean of the foreground.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    network : SliceNetwork
        Runs it, in float32: the changes are small.
    query : Query, optional
        The place whose change is measured; its own cells are never deleted.
    target : str
        Output of the model; the first that is wanted without it.

    Attributes
    ----------
    grid : tuple of int
        Rows and columns of cells: tokens, or squares of 16 pixels.
    inside : ndarray of bool
        (H, W) of the network's image, where the sources show the subject.
    candidates : ndarray
        Numbers of the cells that show it in half of their pixels or more.

    Raises
    ------
    EngineError
        If the slice shows too little.
    """

    def __init__(
        self,
        record: SliceRecord,
        network: SliceNetwork,
        query: Query | None = None,
        *,
        target: str = "",
    ) -> None:
        prepared = record.prepared
        height, width = prepared.frame.padded
        coarse = (max(1, height // _CELL), max(1, width // _CELL))
        self.grid = record.grid if record.layers else coarse
        self._network, self._inputs = network, record.inputs
        self._frame = prepared.frame
        self._channel = prepared.channel_of(target or prepared.targets[0])
        self._shown = prepared.shown_channels()
        self.inside = subject_of(record)
        self._cell_of = _cells((height, width), self.grid)
        asked = None if query is None else query.on_network(prepared).numpy()
        self._asked = asked
        is_candidate = self._mean_of(self.inside.astype(np.float32)) >= 0.5
        if asked is not None:
            is_candidate &= self._mean_of(asked) == 0
        self.candidates = np.flatnonzero(is_candidate)
        if len(self.candidates) < _FEWEST_CELLS:
            raise EngineError(
                f"The test needs {_FEWEST_CELLS} regions to delete, but this slice "
                f"shows {len(self.candidates)}: choose one that shows more."
            )

    def curves(
        self, values: NDArray[np.float32], seed: int, *, is_reverse: bool = False
    ) -> Generator[str, None, Curves]:
        """Delete the most and the least marked regions, here and elsewhere.

        Parameters
        ----------
        values : ndarray
            A map, (rows, columns) of tokens or (h, w) pixels; its magnitude counts.
        seed : int
            Of where the map is moved to, around the slice: there it marks regions as
            clustered as here.
        is_reverse : bool
            Delete the query instead, and measure the change of these regions.

        Yields
        ------
        str
            What is going on.
        """
        rng = np.random.default_rng(seed)
        marked = self.cell_values(values)
        moved = [marked, *self._shifted(marked, rng)]
        maps = [one for both in moved for one in (both, -both)]
        measure = self._change_of if is_reverse else self._change_without
        rows = []
        for number, one in enumerate(maps):
            yield f"Deleting regions, {number + 1} of {len(maps)}"
            ties = rng.random(len(self.candidates))
            order = self.candidates[np.lexsort((ties, -one[self.candidates]))]
            rows.append([measure(cells) for cells in _first_of(order)])
        curves = np.array(rows).reshape(-1, 2, len(FRACTIONS))
        return Curves(curves[0, 0], curves[0, 1], curves[1:])

    def cell_values(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the mean magnitude of a map in every cell."""
        magnitude = np.abs(values).astype(np.float32)
        if magnitude.shape == self.grid:
            return magnitude.ravel().astype(np.float64)
        scale = float(magnitude.max()) or 1.0
        # the frame pads with -1: so 0 is -1
        image = torch.from_numpy(magnitude / scale)[None, None] * 2 - 1
        padded = self._frame.to_network(image)[0, 0].numpy()
        return scale * self._mean_of((padded + 1) / 2)

    def _mean_of(self, image: NDArray[Any]) -> NDArray[np.float64]:
        cells, n_cells = self._cell_of.ravel(), self.grid[0] * self.grid[1]
        sums = np.bincount(cells, image.ravel(), n_cells)
        means: NDArray[np.float64] = sums / np.bincount(cells, minlength=n_cells)
        return means

    def _shifted(
        self, marked: NDArray[np.float64], rng: np.random.Generator
    ) -> Iterator[NDArray[np.float64]]:
        shifts = rng.permutation(_far_shifts(self.grid))[:N_DRAWS]
        for shift in shifts:
            by = (int(shift[0]), int(shift[1]))
            yield np.roll(marked.reshape(self.grid), by, axis=(0, 1)).ravel()

    def _change_without(self, cells: NDArray[np.intp]) -> float:
        """Delete cells; measure at the query, else in what is left of the subject."""
        deleted = np.isin(self._cell_of, cells) & self.inside
        change = self._change(deleted)
        if self._asked is not None:
            return float(np.average(change, weights=self._asked))
        return float(change[self.inside & ~deleted].mean())

    def _change_of(self, cells: NDArray[np.intp]) -> float:
        """Delete the query; measure in the cells."""
        return float(self._change_by_query[np.isin(self._cell_of, cells)].mean())

    @cached_property
    def _change_by_query(self) -> NDArray[np.float32]:
        if self._asked is None:
            raise EngineError("What used a place can only be tested with a query.")
        return self._change(self._asked >= self._asked.max() / 2)

    @cached_property
    def _made(self) -> Tensor:
        return self._network(self._inputs)

    def _change(self, deleted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Change of every pixel (H, W), as a share of the range -1 to 1."""
        inputs, where = self._inputs.clone(), torch.from_numpy(deleted)
        for channel in self._shown:
            image = inputs[0, channel]
            image[where] = image[torch.from_numpy(self.inside)].mean()
        difference = self._network(inputs) - self._made
        change: NDArray[np.float32] = (difference[0, self._channel].abs() / 2).numpy()
        return change


def subject_of(record: SliceRecord) -> NDArray[np.bool_]:
    """Tell the subject from the air: (H, W) of the network's image, holes filled."""
    prepared = record.prepared
    brightest = record.inputs[0, prepared.shown_channels()].amax(dim=0).numpy()
    inside: NDArray[np.bool_] = binary_fill_holes(brightest > _VISIBLE)
    return inside


def _first_of(order: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for fraction in FRACTIONS:
        yield order[: max(1, round(fraction * len(order)))]


def _far_shifts(grid: tuple[int, int]) -> NDArray[np.intp]:
    """Shifts (n, 2) by a quarter of the slice or more: nearer ones are too alike."""
    shifts = np.moveaxis(np.indices(grid), 0, -1).reshape(-1, 2)
    apart = np.minimum(shifts, np.array(grid) - shifts) / grid
    far: NDArray[np.intp] = shifts[apart.max(axis=1) >= 0.25]
    return far


def _cells(size: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.intp]:
    """Number of the cell of every pixel (H, W)."""
    rows, columns = (np.arange(n) * k // n for n, k in zip(size, grid, strict=True))
    cells: NDArray[np.intp] = rows[:, None] * grid[1] + columns
    return cells
