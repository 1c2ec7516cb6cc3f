"""Batches by number: the n-th one is always the same, in any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.config import TrainConfig

from .batch import MISSING, Batch
from .masks import Mask, curriculum_mask, random_mask
from .samples import (
    Images,
    Sample,
    SimulatedSubjects,
    SubjectSlices,
    mirrored,
)
from .samples import contrasts_of as contrasts_of

Place = tuple[int, int]  # subject, slice


@dataclass(frozen=True)
class Mixture:
    """Where slices come from.

    Parameters
    ----------
    subjects : sequence of SubjectSlices
        Real ones.
    planes : tuple of str
    simulated : SimulatedSubjects or None
    simulated_share : float
        Share of the samples that `simulated` gives [0, 1].
    """

    subjects: Sequence[SubjectSlices]
    planes: tuple[str, ...]
    simulated: SimulatedSubjects | None = None
    simulated_share: float = 0.0


class Batches:
    """Batches of slices of a mixture of real and simulated subjects.

    Real slices come in rounds: each once, those of one plane together, in an order
    that only the seed and the round decide.

    Parameters
    ----------
    config : TrainConfig
    card : ModelCard
        Contrasts, unified or not, size multiple.
    targets : tuple of str
        Outputs that are learnt; () for all.
    mixture : Mixture
    batch_size : int
        Of one process.
    is_one_mask : bool
        Give all samples of a batch the same contrasts; needed where a batch norm sees
        the whole batch. Not done where subjects without a common target and source
        meet.
    n_processes : int
        That share the work: they tell how much of the training a batch's number is.

    Raises
    ------
    VolumeError
        If there is nothing to draw.
    """

    def __init__(
        self,
        config: TrainConfig,
        card: ModelCard,
        mixture: Mixture,
        *,
        targets: tuple[str, ...] = (),
        batch_size: int = 1,
        is_one_mask: bool = False,
        n_processes: int = 1,
    ) -> None:
        self._config, self._card, self._mixture = config, card, mixture
        self._batch_size, self._is_one_mask = batch_size, is_one_mask
        self._n_processes = n_processes
        self._contrasts = contrasts_of(card)
        self._may_flip = config.flip and card.flips
        self._wanted = np.array(
            [c in (targets or card.outputs) for c in self._contrasts]
        )
        self._places = {
            plane: [
                (number, int(index))
                for number, subject in enumerate(mixture.subjects)
                for index in subject.indices(plane)
            ]
            for plane in mixture.planes
        }
        self._round: tuple[int, list[tuple[str, list[Place]]]] = (-1, [])
        if not self.n_slices and mixture.simulated is None:
            raise VolumeError(
                "There is no slice to train on: every subject is held out, or shows "
                f"only background in the {' and '.join(mixture.planes)} plane."
            )

    @property
    def n_slices(self) -> int:
        """How many real slices there are."""
        return sum(len(places) for places in self._places.values())

    @property
    def n_per_round(self) -> int:
        """How many batches show every real slice once; 0 if there are none."""
        return sum(-(-len(p) // self._batch_size) for p in self._places.values())

    def __getitem__(self, number: int) -> Batch:
        """Draw batch `number`."""
        rng = np.random.default_rng((self._config.seed, 2, number))
        samples = self._samples(number, rng)
        size = self._size(samples, rng)
        both = [np.concatenate([sample.images, sample.truth]) for sample in samples]
        jitter = 6 if self._config.affine else 0
        step, is_patch = self._card.scale, self._config.patch_size > 0
        fitted = np.stack(
            [fit_to(p, size, jitter, rng, step=step, is_patch=is_patch) for p in both]
        )
        images, truth = np.split(fitted, 2, axis=1)
        masks = self._masks(samples, rng, self._progress(number))
        given, wanted = (np.stack(mask) for mask in zip(*masks, strict=True))
        return as_batch(self._card, images, truth, given, wanted)

    def _samples(self, number: int, rng: np.random.Generator) -> list[Sample]:
        mixture = self._mixture
        plane, places = self._planned(number, rng)
        n = len(places) if places else self._batch_size
        samples = []
        for slot in range(n):
            is_simulated = rng.uniform() < mixture.simulated_share or not places
            if is_simulated and mixture.simulated is not None:
                sample = mixture.simulated.draw(plane, rng)
            else:
                subject, index = places[slot]
                sample = mixture.subjects[subject].draw(plane, index, rng)
            may_flip = self._may_flip and plane != "sagittal"
            samples.append(
                mirrored(sample) if may_flip and rng.uniform() < 0.5 else sample
            )
        return samples

    def _planned(
        self, number: int, rng: np.random.Generator
    ) -> tuple[str, list[Place]]:
        """Give plane and real slices of a batch."""
        if not self.n_per_round:
            return str(rng.choice(self._mixture.planes)), []
        round_, position = divmod(number, self.n_per_round)
        known = self._round  # several threads draw: look only once
        if known[0] != round_:
            known = self._round = (round_, self._plan(round_))
        return known[1][position]

    def _plan(self, round_: int) -> list[tuple[str, list[Place]]]:
        rng = np.random.default_rng((self._config.seed, 3, round_))
        plan = []
        for plane, places in self._places.items():
            order = rng.permutation(len(places))
            for start in range(0, len(places), self._batch_size):
                chosen = order[start : start + self._batch_size]
                plan.append((plane, [places[i] for i in chosen]))
        return [plan[i] for i in rng.permutation(len(plan))]

    def _size(self, samples: list[Sample], rng: np.random.Generator) -> tuple[int, int]:
        """Choose height and width: patches, or whole slices with varied margins.

        Whole ones are multiples of 32: few sizes, so that oneDNN's compiled kernels are
        used again.
        """
        config, multiple = self._config, self._card.size_multiple
        if config.patch_size:
            side = -(-config.patch_size // multiple) * multiple
            return side, side
        shape = np.max([sample.images.shape[1:] for sample in samples], axis=0)
        if not config.affine:
            height, width = -(-shape // multiple) * multiple
            return int(height), int(width)
        margin = 64 if rng.uniform() < 0.12 else 16
        wish = shape + rng.integers(-28, margin, 2)
        step = 32 if 32 % multiple == 0 else multiple
        height, width = np.maximum(np.round(wish / step), 1).astype(int) * step
        return int(height), int(width)

    def _masks(
        self, samples: list[Sample], rng: np.random.Generator, progress: float
    ) -> list[tuple[Mask, Mask]]:
        """Say which contrasts of each sample are given and which wanted."""
        if not self._card.is_unified:
            given = np.array([c in self._card.inputs for c in self._contrasts])
            return [(given & s.present, self._wanted & s.present) for s in samples]
        common = np.logical_and.reduce([sample.present for sample in samples])
        if self._is_one_mask and common.sum() > 1 and (common & self._wanted).any():
            return [self._mask(common, rng, progress)] * len(samples)
        return [self._mask(sample.present, rng, progress) for sample in samples]

    def _mask(
        self, present: Mask, rng: np.random.Generator, progress: float
    ) -> tuple[Mask, Mask]:
        availability = self._config.availability
        if availability == "curriculum":
            return curriculum_mask(present, self._wanted, progress, rng)
        return random_mask(present, self._wanted, availability, rng)

    def _progress(self, number: int) -> float:
        """Give the share of the training that is done when a batch is learnt from."""
        config = self._config
        per_epoch = config.steps_per_epoch * self._n_processes or self.n_per_round
        return number / (config.epochs * max(1, per_epoch))


def as_batch(
    card: ModelCard, images: Images, truth: Images, given: Mask, wanted: Mask
) -> Batch:
    """Sort the contrasts (N, C, H, W) into a network's inputs and outputs.

    With neighbours, C is the number of contrasts times that of slices: see `Sample`.
    """
    contrasts, reach = contrasts_of(card), card.neighbours
    inputs = [contrasts.index(c) for c in card.inputs]
    outputs = [contrasts.index(c) for c in card.outputs]
    n, _, *size = images.shape
    stacks = images.reshape(n, len(contrasts), 2 * reach + 1, *size)
    shown = np.where(given[..., None, None, None], stacks, np.float32(MISSING))
    sources = shown[:, inputs].reshape(n, -1, *size)
    middle = truth.reshape(stacks.shape)[:, outputs, reach]
    arrays = (sources, middle, given[:, outputs], wanted[:, outputs])
    return Batch(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))


def fit_to(
    images: Images,
    size: tuple[int, int],
    jitter: int,
    rng: np.random.Generator,
    *,
    step: int = 1,
    is_patch: bool = False,
) -> NDArray[np.float32]:
    """Cut and pad (C, H, W) to `size`; what is shown lies near the middle.

    What is larger than `size` by much is cut at random, smaller images are moved by at
    most `jitter` pixels; all moves are multiples of `step`. A patch is cut at random of
    whatever is larger.
    """
    result = np.full((len(images), *size), MISSING, np.float32)
    source: list[slice] = [slice(None)]
    target: list[slice] = [slice(None)]
    for have, want in zip(images.shape[1:], size, strict=True):
        spare = want - have
        is_cut_anywhere = spare < -64 or (is_patch and spare < 0)
        reach = max(jitter, -spare // 2 if is_cut_anywhere else 0)
        start = spare // 2 + (int(rng.integers(-reach, reach + 1)) if reach else 0)
        start = min(max(start, min(spare, 0)), max(spare, 0)) // step * step
        source.append(slice(max(0, -start), max(0, -start) + min(have, want)))
        target.append(slice(max(0, start), max(0, start) + min(have, want)))
    result[tuple(target)] = images[tuple(source)]
    return result
