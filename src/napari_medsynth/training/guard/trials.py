"""Which questions a model is judged by: sources given, targets asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from napari_medsynth.catalogue import ModelCard


@dataclass(frozen=True)
class Trial:
    """One availability mask.

    Parameters
    ----------
    sources, targets : tuple of str
        Given, and asked for.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def available(self) -> str:
        """The sources as a card spells them: "T1+T2"."""
        return "+".join(self.sources)


def list_trials(
    card: ModelCard,
    present: Collection[str],
    targets: Collection[str] = (),
    *,
    availability: str = "all",
) -> tuple[Trial, ...]:
    """List what a model can be asked where these contrasts exist, telling ones first.

    Parameters
    ----------
    card : ModelCard
    present : collection of str
        Contrasts of a subject.
    targets : collection of str
        Outputs that count; all if empty.
    availability : {"all", "leave-one-out"}
        Every mask, or only those that hide one contrast.

    Returns
    -------
    tuple of Trial
        Of a unified model: masks that hide one contrast, then those that give only one,
        then the others from more sources to fewer. Else one, or none if a source is
        missing.
    """
    wanted = [m for m in card.outputs if m in present and m in (targets or present)]
    inputs = [m for m in card.inputs if m in present]
    if not card.is_unified:
        trial = Trial(card.inputs, tuple(m for m in wanted if m not in card.inputs))
        is_possible = len(inputs) == len(card.inputs) and bool(trial.targets)
        return (trial,) if is_possible else ()
    trials = [
        Trial(sources, hidden)
        for sources in _ordered_masks(inputs, availability)
        if (hidden := tuple(m for m in wanted if m not in sources))
    ]
    return tuple(trials)


def n_leave_one_out(trials: Sequence[Trial]) -> int:
    """Count the masks with the most sources: they open the list."""
    most = max((len(trial.sources) for trial in trials), default=0)
    return sum(len(trial.sources) == most for trial in trials)


def _ordered_masks(inputs: Sequence[str], availability: str) -> Iterator[tuple]:
    n = len(inputs)
    sizes = [n - 1, 1, *range(n - 2, 1, -1)]
    if availability == "leave-one-out":
        sizes = [n - 1]
    for size in dict.fromkeys(size for size in sizes if size > 0):
        yield from combinations(inputs, size)
