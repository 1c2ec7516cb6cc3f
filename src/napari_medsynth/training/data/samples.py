"""Sample: one slice in all contrasts; and who can give one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """Files of one subject.

    Parameters
    ----------
    name : str
        Unique in its cohort.
    files : mapping
        Modality to path.
    person : str
        Whose scans these are, if that is not `name`: sessions of one person are
        trained on or held out together.
    notes : tuple of str
        What was odd about the files, one sentence each.
    """

    name: str
    files: Mapping[str, str]
    person: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample:
    """One slice in all contrasts.

    Parameters
    ----------
    images : ndarray
        float32, (C, H, W) in [-1, 1]: what a network is given, with noise. For a card
        with neighbours, C is each contrast's slices from the lowest index to the
        highest, one contrast after the other.
    truth : ndarray
        The same without bias field, blur and noise: what it should give.
    present : ndarray
        bool, one per contrast: which exist.
    """

    images: Images
    truth: Images
    present: NDArray[np.bool_]


class SubjectSlices(Protocol):
    """Slices of one subject, read when they are first needed."""

    name: str

    def indices(self, plane: str) -> NDArray[np.intp]:
        """Give the numbers of the slices that show more than background."""

    def draw(self, plane: str, index: int, rng: np.random.Generator | None) -> Sample:
        """Give one slice, varied at random; as it is if `rng` is None."""


class SimulatedSubjects(Protocol):
    """Made-up subjects, another one each time."""

    def draw(self, plane: str, rng: np.random.Generator) -> Sample:
        """Give a random slice of `plane`."""


def mirrored(sample: Sample) -> Sample:
    """Swap left and right of an axial or coronal slice."""
    return Sample(sample.images[..., ::-1], sample.truth[..., ::-1], sample.present)


def contrasts_of(card: ModelCard) -> tuple[str, ...]:
    """Give the contrasts of a card, inputs first, each once: those of a Sample."""
    return tuple(dict.fromkeys((*card.inputs, *card.outputs)))
