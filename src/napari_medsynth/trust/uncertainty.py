"""Uncertainty: mean and spread of several syntheses, never all kept at once."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine.intensity import Normalisation
from napari_medsynth.engine.prepared import Prepared
from napari_medsynth.engine.provenance import describe
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.engine.slices import BACKGROUND, slice_indices, take_slice
from napari_medsynth.io import Volume

from .variants import Variant, variants_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLICES_AT_ONCE = 4
RANGE = 2.0  # of the network's [-1, 1]


@dataclass(frozen=True, eq=False)
class UncertaintyStep:
    """State of a running estimate, after each run of some slices.

    Parameters
    ----------
    done, total : int
        Slices finished, slices asked for.
    n_runs, n_variants : int
        Variants seen of the slices at work, and of each slice in the end.
    slices : tuple of int
        Slices that this step finished, along the plane's axis; mostly none.
    mean, spread : mapping
        Target to float32 (n, h, w), one image per entry of `slices`, in the unit of
        the result. Yours to keep.
    """

    done: int
    total: int
    n_runs: int = 0
    n_variants: int = 0
    slices: tuple[int, ...] = ()
    mean: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    spread: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How much several syntheses of one study differ.

    Parameters
    ----------
    mean : mapping
        Target to synthetic `Volume`, the mean of all variants.
    spread : mapping
        Target to `Volume` of their standard deviation (n - 1), in the same unit. 0
        where no source shows anything, and on slices that were not asked for.
    ranges : mapping
        Target to the width of its range: the unit of the result that the network's
        black and white, -1 and 1, are apart.
    slices : tuple of int
        Slices that were run, along the plane's axis.
    method : str
        One of `variants.METHODS`.
    n : int
        Number of variants.
    """

    mean: Mapping[str, Volume]
    spread: Mapping[str, Volume]
    ranges: Mapping[str, float]
    slices: tuple[int, ...]
    method: str
    n: int


class RunningMoments:
    """Mean and standard deviation of arrays that come one after the other [1]_.

    Holds two arrays in double precision, however many are added.

    References
    ----------
    .. [1] B. P. Welford, "Note on a method for calculating corrected sums of squares
       and products", Technometrics 4(3), 1962.
       https://doi.org/10.1080/00401706.1962.10490022
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean: NDArray[np.float64] = np.zeros(())
        self._squares: NDArray[np.float64] = np.zeros(())

    def add(self, values: NDArray[np.float32]) -> None:
        """Count one more array, of the shape of the first."""
        self.n += 1
        from_mean = values - self.mean
        self.mean = self.mean + from_mean / self.n
        self._squares = self._squares + from_mean * (values - self.mean)

    @property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviation with n - 1; of one array it is 0."""
        return np.sqrt(self._squares / max(self.n - 1, 1))


def uncertainty(
    prepared: Prepared,
    networks: Sequence[SliceNetwork],
    *,
    method: str = "augmentation",
    n: int = 8,
    indices: int | Iterable[int] | None = None,
    seed: int = 0,
    slices_at_once: int = SLICES_AT_ONCE,
) -> Generator[UncertaintyStep, None, Uncertainty]:
    """Make the targets several times, and give their mean and spread.

    Memory holds two volumes per target and a few slices, whatever `n` is. Closing the
    generator stops it after the run at work.

    Parameters
    ----------
    prepared : Prepared
        Study, targets and plane.
    networks : sequence of SliceNetwork
        One; for an ensemble all its members, the first of them that of `prepared`.
    method : {"augmentation", "dropout", "ensemble"}
        What makes the variants differ; see `variants.METHODS`.
    n : int
        Number of variants, at least 2; an ensemble has as many as networks.
    indices : int or iterable of int, optional
        Slices along the plane's axis; all by default.
    seed : int
        The same seed gives the same result.
    slices_at_once : int
        Slices of one run.

    Yields
    ------
    UncertaintyStep
        Once before the first slice, then after every run of the network.

    Raises
    ------
    EngineError, CardError
        As `variants_of`; if a slice does not exist, or a network fails.
    """
    wanted = slice_indices(indices, prepared.n_slices)
    variants = variants_of(prepared, networks, method, n=n, seed=seed)
    canvas, total = _Canvas(prepared), len(wanted)
    yield UncertaintyStep(0, total, n_variants=len(variants))
    for start in range(0, total, slices_at_once):
        batch = wanted[start : start + slices_at_once]
        shown = tuple(i for i in batch if not prepared.is_empty(i))
        moments = RunningMoments()
        for variant in variants if shown else ():
            moments.add(variant(shown))
            if moments.n < len(variants):
                yield UncertaintyStep(start, total, moments.n, len(variants))
        done = start + len(batch)
        kept = canvas.keep(shown, moments) if shown else ({}, {})
        yield UncertaintyStep(done, total, moments.n, len(variants), shown, *kept)
    facts = {"method": method, "variants": len(variants), "seed": seed}
    return canvas.result(wanted, variants, facts)


class _Canvas:
    """The volumes of mean and spread, filled slice by slice."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        shape, sources = prepared.reference.shape, prepared.sources
        self._units: dict[str, Normalisation] = {
            target: sources.unit_of(target) for target in prepared.targets
        }
        self._means = {
            target: np.full(shape, unit.inverse(BACKGROUND), np.float32)
            for target, unit in self._units.items()
        }
        self._spreads = {t: np.zeros(shape, np.float32) for t in self._units}

    def keep(
        self, slices: Sequence[int], moments: RunningMoments
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        """Put finished slices into the volumes; give them in the unit of the result."""
        means, spreads = {}, {}
        for channel, (target, unit) in enumerate(self._units.items()):
            means[target] = unit.inverse(moments.mean[:, channel])
            per_network_unit = (unit.high - unit.low) / RANGE
            spread = moments.spread[:, channel] * per_network_unit
            spreads[target] = spread.astype(np.float32)
            for row, index in enumerate(slices):
                for array, images in (
                    (self._means[target], means[target]),
                    (self._spreads[target], spreads[target]),
                ):
                    take_slice(array, self._prepared.frame.axis, index)[...] = images[
                        row
                    ]
        return means, spreads

    def result(
        self, slices: tuple[int, ...], variants: Sequence[Variant], facts: dict
    ) -> Uncertainty:
        provenance = self._provenance(slices, variants, facts)
        metadata = {"synthetic": True, "provenance": provenance}
        title = self._prepared.card.title or self._prepared.card.id
        made = f"{facts['variants']} syntheses by {facts['method']}: {title}"
        reference = self._prepared.reference
        mean = {
            target: reference.with_data(
                array[np.newaxis],
                modality=target,
                name=f"{target} mean (of {made})",
                metadata=metadata,
            )
            for target, array in self._means.items()
        }
        spread = {
            target: reference.with_data(
                array[np.newaxis],
                modality="",  # no image of a patient
                name=f"{target} spread (of {made})",
                metadata={**metadata, "trust": "spread"},
            )
            for target, array in self._spreads.items()
        }
        ranges = {target: unit.high - unit.low for target, unit in self._units.items()}
        return Uncertainty(
            mean, spread, ranges, slices, facts["method"], facts["variants"]
        )

    def _provenance(
        self, slices: tuple[int, ...], variants: Sequence[Variant], facts: dict
    ) -> dict[str, Any]:
        prepared, network = self._prepared, variants[0].network
        members = {v.prepared.card.id: v.prepared.card.sha256 for v in variants}
        return {
            **describe(
                prepared.card,
                prepared.sources,
                targets=prepared.targets,
                plane=prepared.plane,
                slices=slices,
                device=str(network.device),
                precision=network.precision,
            ),
            "uncertainty": {**facts, "models": members},
        }
