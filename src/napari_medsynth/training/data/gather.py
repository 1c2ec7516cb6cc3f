"""Who is trained on and who is held out, as slices."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.events import Note
from napari_medsynth.training.job import TrainJob

from .batches import Mixture
from .cohort import find_subjects, split_subjects
from .samples import Subject, SubjectSlices, contrasts_of
from .simulated import SimulatedSlices
from .slices import RealSlices

Subjects = Sequence[SubjectSlices]


def gather(job: TrainJob, card: ModelCard) -> tuple[Subjects, Subjects, list[Note]]:
    """Give the slices to train on, those held out, and who had to be left out.

    Raises
    ------
    VolumeError
        If subjects are named, but none of them can be used.
    """
    wanted = set(job.targets or card.outputs)
    subjects = find_subjects(job.data, contrasts_of(card))
    usable = tuple(s for s in subjects if _can_teach(s, wanted, set(card.inputs)))
    if subjects and not usable:
        raise VolumeError(
            f"No subject has what is to be learnt ({', '.join(sorted(wanted))}) and a "
            f"source besides it, {subjects[0].name} has {', '.join(subjects[0].files)}."
        )
    groups = split_subjects(usable, job.data, seed=job.learn.seed)
    train_on, held_out = (
        [RealSlices(s, card, job.learn, align=job.data.align) for s in group]
        for group in groups
    )
    notes = [
        Note(f"{s.name} is left out: it has only {', '.join(s.files)}.", "warning")
        for s in subjects
        if s not in usable
    ]
    return train_on, held_out, notes


def mixture_of(job: TrainJob, card: ModelCard, subjects: Subjects) -> Mixture:
    """Mix real subjects with simulated ones."""
    data, simulated = job.data, None
    if data.simulated_share:
        simulated = SimulatedSlices(
            contrasts_of(card),
            n_anatomies=data.n_anatomies,
            n_lesions=data.n_lesions,
            seed=job.learn.seed,
        )
    return Mixture(subjects, data.planes, simulated, data.simulated_share)


def _can_teach(subject: Subject, wanted: set[str], inputs: set[str]) -> bool:
    """Whether a subject has a target, and a source that is not the same."""
    has = set(subject.files)
    return any(has & inputs - {target} for target in has & wanted)
