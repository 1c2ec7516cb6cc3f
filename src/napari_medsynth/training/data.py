"""Batches: random slices, and which of their contrasts are given and which wanted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .config import TrainConfig
from .slices import RealSlices, Sample, SimulatedSlices, SliceSource, mirrored

MISSING = -1.0  # network input of a contrast that is not given: black


@dataclass(frozen=True, eq=False)
class Batch:
    """What one update learns from.

    Parameters
    ----------
    sources : Tensor
        float32, (N, C, H, W) in [-1, 1]; contrasts that are not given are -1.
    truth : Tensor
        All contrasts, the same shape.
    given, wanted : Tensor
        bool, (N, C). A contrast that does not exist is neither.
    """

    sources: Tensor
    truth: Tensor
    given: Tensor
    wanted: Tensor


class Batches:
    """Batches by number: the n-th one is always the same.

    Parameters
    ----------
    config : TrainConfig
        Data, sizes and seed.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._simulated = SimulatedSlices(
            config.modalities,
            n_anatomies=config.n_anatomies,
            n_lesions=config.n_lesions,
            seed=config.seed,
        )
        self._real = [RealSlices(Path(f), config.modalities) for f in config.real]

    def __getitem__(self, number: int) -> Batch:
        """Draw the batch of step `number`."""
        config = self._config
        rng = np.random.default_rng((config.seed, 2, number))
        plane = str(rng.choice(config.planes))
        samples = [self._sample(plane, rng) for _ in range(config.batch_size)]
        size = _random_size(samples, config.sides, rng)
        both = [np.concatenate([sample.images, sample.truth]) for sample in samples]
        fitted = np.stack([_fitted(pair, size, rng) for pair in both])
        images, truth = np.split(fitted, 2, axis=1)
        given = np.stack([random_mask(sample.present, rng) for sample in samples])
        wanted = np.stack([sample.present for sample in samples]) & ~given
        images[~given] = MISSING
        arrays = (images, truth, given, wanted)
        return Batch(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))

    def _sample(self, plane: str, rng: np.random.Generator) -> Sample:
        source: SliceSource = self._simulated
        if self._real and rng.uniform() < self._config.real_share:
            source = self._real[rng.integers(len(self._real))]
        sample = source.draw(plane, rng)
        is_mirrored = plane != "sagittal" and rng.uniform() < 0.5
        return mirrored(sample) if is_mirrored else sample


def random_mask(
    present: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose which of the `present` contrasts are given: one at least, not all."""
    channels = rng.permutation(np.flatnonzero(present))
    given = np.zeros_like(present)
    given[channels[: rng.integers(1, len(channels))]] = True
    return given


def _random_size(
    samples: list[Sample], sides: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, int]:
    """Choose height and width near the slices' own, sometimes with wide margins.

    Multiples of 32: few sizes, so that oneDNN's compiled kernels are used again.
    """
    shape = np.max([sample.images.shape[1:] for sample in samples], axis=0)
    margin = 64 if rng.uniform() < 0.12 else 16
    wish = shape + rng.integers(-28, margin, 2)
    shortest, longest = sides
    height, width = np.clip(np.round(wish / 32) * 32, shortest, longest).astype(int)
    return int(height), int(width)


def _fitted(
    images: NDArray[np.float32], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Cut and pad to `size`; the brain lands anywhere near the middle."""
    result = np.full((len(images), *size), MISSING, np.float32)
    source: list[slice] = [slice(None)]
    target: list[slice] = [slice(None)]
    for have, want in zip(images.shape[1:], size, strict=True):
        spare = want - have
        start = spare // 2 + int(rng.integers(-6, 7))
        start = min(max(start, min(spare, 0)), max(spare, 0))
        source.append(slice(max(0, -start), max(0, -start) + min(have, want)))
        target.append(slice(max(0, start), max(0, start) + min(have, want)))
    result[tuple(target)] = images[tuple(source)]
    return result
