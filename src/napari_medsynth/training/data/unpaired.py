"""Unpaired data: sources and targets of different subjects, in batches by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.config import TrainConfig

from .batch import MISSING, Batch
from .batches import Batches, Mixture, Place, as_batch, fit_to
from .samples import Images, Sample, Subject, contrasts_of, mirrored
from .slices import RealSlices

Sides = tuple[RealSlices | None, RealSlices | None]
Pair = tuple[Sample, Sample]
Meeting = tuple[Place, Place]  # of a source and a target


class UnpairedSlices:
    """Slices of one subject to train on, who has the sources of a model, the targets,
    or both; each on their own grid, and never side by side.

    Parameters
    ----------
    subject : Subject
    card : ModelCard
    config : TrainConfig

    Attributes
    ----------
    sides : tuple
        Slices of the sources and of the targets; None for what does not exist.
    person : str
        Whose scans these are.
    """

    def __init__(self, subject: Subject, card: ModelCard, config: TrainConfig) -> None:
        self.name, self.person = subject.name, subject.person or subject.name
        self._card = card
        source, target = (
            RealSlices(subject, side_card(card, contrasts), config)
            if set(contrasts) <= set(subject.files)
            else None
            for contrasts in (card.inputs, card.outputs)
        )
        self.sides: Sides = (source, target)

    def indices(self, plane: str) -> NDArray[np.intp]:
        """Number the slices of the sources that show something, then the targets'."""
        return np.arange(sum(len(side.indices(plane)) for side in self.sides if side))

    def draw(self, plane: str, index: int, rng: np.random.Generator | None) -> Sample:
        """Give one slice; the contrasts of the other side are black."""
        known = [(n, side) for n, side in enumerate(self.sides) if side is not None]
        for number, side in known:
            places = side.indices(plane)
            if index < len(places):
                sample = side.draw(plane, int(places[index]), rng)
                return self._with_gaps(sample, is_source=number == 0)
            index -= len(places)
        raise IndexError(f"{self.name} has no such slice")

    def _with_gaps(self, sample: Sample, *, is_source: bool) -> Sample:
        n, n_inputs = len(contrasts_of(self._card)), len(self._card.inputs)
        has = (np.arange(n) < n_inputs) == is_source
        shape = (n, *sample.images.shape[1:])
        images, truth = (np.full(shape, MISSING, np.float32) for _ in range(2))
        images[has], truth[has] = sample.images, sample.truth
        return Sample(images, truth, has)


class UnpairedBatches(Batches):
    """Batches whose sources and targets show different persons, whenever there are two.

    In a round the larger of both sides is shown once, and the other one again and
    again; who meets whom is drawn anew in each round. Simulated images are drawn twice.

    Parameters
    ----------
    config, card, mixture, targets, batch_size
        See `Batches`; the subjects are `UnpairedSlices`.

    Raises
    ------
    VolumeError
        If there is nothing to draw, or nothing on one side.
    """

    def __init__(
        self,
        config: TrainConfig,
        card: ModelCard,
        mixture: Mixture,
        *,
        targets: tuple[str, ...] = (),
        batch_size: int = 1,
    ) -> None:
        self._subjects: Sequence[UnpairedSlices] = [
            s for s in mixture.subjects if isinstance(s, UnpairedSlices)
        ]
        self._both = {
            plane: tuple(self._places_of(side, plane) for side in (0, 1))
            for plane in mixture.planes
        }
        self._matched: tuple[int, list[tuple[str, list[Meeting]]]] = (-1, [])
        super().__init__(
            config,
            card,
            replace(mixture, subjects=()),
            targets=targets,
            batch_size=batch_size,
        )
        for plane, (sources, others) in self._both.items():
            if bool(sources) != bool(others) and mixture.simulated is None:
                lacking = card.outputs if sources else card.inputs
                raise VolumeError(
                    f"There is no {plane} slice of {', '.join(lacking)} to train on: "
                    "unpaired training needs scans of both kinds."
                )

    @property
    def n_slices(self) -> int:
        """How many real slices there are, of both sides."""
        return sum(len(side) for both in self._both.values() for side in both)

    @property
    def n_per_round(self) -> int:
        """How many batches show every real slice at least once."""
        return sum(
            -(-max(map(len, both)) // self._batch_size)
            for both in self._both.values()
            if all(both)
        )

    def __getitem__(self, number: int) -> Batch:
        """Draw batch `number`."""
        rng = np.random.default_rng((self._config.seed, 2, number))
        pairs = self._pairs(number, rng)
        size = self._size([one for pair in pairs for one in pair], rng)
        jitter = 6 if self._config.affine else 0
        images = [
            np.concatenate([fit_to(part, size, jitter, rng) for part in shown])
            for shown in ((source.images, target.truth) for source, target in pairs)
        ]
        stack: Images = np.stack(images)
        n_inputs, n = len(self._card.inputs), len(self._contrasts)
        given = np.tile(np.arange(n) < n_inputs, (len(pairs), 1))
        return as_batch(self._card, stack, stack, given, ~given)

    def _places_of(self, side: int, plane: str) -> list[Place]:
        return [
            (number, int(index))
            for number, subject in enumerate(self._subjects)
            if (one := subject.sides[side]) is not None
            for index in one.indices(plane)
        ]

    def _pairs(self, number: int, rng: np.random.Generator) -> list[Pair]:
        mixture = self._mixture
        plane, matched = self._matched_batch(number, rng)
        may_flip = self._may_flip and plane != "sagittal"
        pairs = []
        for slot in range(len(matched) or self._batch_size):
            is_simulated = rng.uniform() < mixture.simulated_share or not matched
            if is_simulated and mixture.simulated is not None:
                pair = self._made_up(plane, rng)
            else:
                pair = self._real(plane, matched[slot], rng)
            source, target = (
                mirrored(one) if may_flip and rng.uniform() < 0.5 else one
                for one in pair
            )
            pairs.append((source, target))
        return pairs

    def _real(self, plane: str, places: Meeting, rng: np.random.Generator) -> Pair:
        drawn = []
        for side, (number, index) in enumerate(places):
            slices = self._subjects[number].sides[side]
            if slices is None:
                raise VolumeError(f"{self._subjects[number].name} lacks a scan.")
            drawn.append(slices.draw(plane, index, rng))
        return drawn[0], drawn[1]

    def _made_up(self, plane: str, rng: np.random.Generator) -> Pair:
        """Draw two made-up slices, and take the sources of one, the targets of one."""
        simulated, n = self._mixture.simulated, len(self._card.inputs)
        if simulated is None:
            raise VolumeError("There is nothing to simulate.")
        one, other = (simulated.draw(plane, rng) for _ in range(2))
        return _cut(one, slice(None, n)), _cut(other, slice(n, None))

    def _matched_batch(
        self, number: int, rng: np.random.Generator
    ) -> tuple[str, list[Meeting]]:
        """Give plane and pairs of real slices of a batch."""
        if not self.n_per_round:
            return str(rng.choice(self._mixture.planes)), []
        round_, position = divmod(number, self.n_per_round)
        known = self._matched  # several threads draw: look only once
        if known[0] != round_:
            known = self._matched = (round_, self._match(round_))
        return known[1][position]

    def _match(self, round_: int) -> list[tuple[str, list[Meeting]]]:
        rng = np.random.default_rng((self._config.seed, 3, round_))
        plan = []
        for plane, both in self._both.items():
            if not all(both):
                continue
            orders = [[side[i] for i in rng.permutation(len(side))] for side in both]
            matched = self._met(orders[0], orders[1])
            for start in range(0, len(matched), self._batch_size):
                plan.append((plane, matched[start : start + self._batch_size]))
        return [plan[i] for i in rng.permutation(len(plan))]

    def _met(self, sources: list[Place], targets: list[Place]) -> list[Meeting]:
        """Put a target beside each source; the larger side is shown once.

        A target of the same person is passed over for the next one of another.
        """
        is_flipped = len(targets) > len(sources)
        more, fewer = (targets, sources) if is_flipped else (sources, targets)
        pairs = []
        for number, place in enumerate(more):
            start = number % len(fewer)
            turned = (fewer[(start + i) % len(fewer)] for i in range(len(fewer)))
            person = self._subjects[place[0]].person
            other = next(
                (p for p in turned if self._subjects[p[0]].person != person),
                fewer[start],
            )
            pairs.append((other, place) if is_flipped else (place, other))
        return pairs


def side_card(card: ModelCard, contrasts: tuple[str, ...]) -> ModelCard:
    """Give the card of whoever knows only some contrasts of another's."""
    return replace(card, inputs=contrasts, outputs=contrasts, is_unified=False)


def _cut(sample: Sample, channels: slice) -> Sample:
    return Sample(
        sample.images[channels], sample.truth[channels], sample.present[channels]
    )
