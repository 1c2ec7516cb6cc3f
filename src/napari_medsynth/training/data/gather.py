"""Who is trained on and who is held out, as slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.events import Note
from napari_medsynth.training.job import TrainJob

from .batches import Batches, Mixture
from .cohort import can_teach_unpaired, split_for, subjects_for
from .restoration import DegradedSimulations, DegradedSlices, Degrader
from .samples import SimulatedSubjects, Subject, SubjectSlices, contrasts_of
from .simulated import SimulatedSlices
from .slices import RealSlices
from .unpaired import UnpairedBatches, UnpairedSlices

Subjects = Sequence[SubjectSlices]


def gather(job: TrainJob, card: ModelCard) -> tuple[Subjects, Subjects, list[Note]]:
    """Give the slices to train on, those held out, and who had to be left out.

    Raises
    ------
    VolumeError
        If subjects are named, but none of them can be used.
    """
    wanted = set(job.targets or card.outputs)
    subjects = subjects_for(job.data, card)
    is_paired = job.data.pairing == "paired"
    can_teach = _can_teach if is_paired else can_teach_unpaired
    usable = tuple(s for s in subjects if can_teach(s, wanted, card))
    if subjects and not usable:
        raise VolumeError(
            f"No subject has what is to be learnt ({', '.join(sorted(wanted))}) and a "
            f"source besides it, {subjects[0].name} has {', '.join(subjects[0].files)}."
        )
    slices_of = _reader(job, card)
    groups = split_for(job.data, card, usable, seed=job.learn.seed)
    train_on, held_out = ([slices_of(s) for s in group] for group in groups)
    if not is_paired:
        train_on = [UnpairedSlices(s, card, job.learn) for s in groups[0]]
    notes = [
        Note(f"{s.name} is left out: it has only {', '.join(s.files)}.", "warning")
        for s in subjects
        if s not in usable
    ]
    return train_on, held_out, notes


def mixture_of(job: TrainJob, card: ModelCard, subjects: Subjects) -> Mixture:
    """Mix real subjects with simulated ones."""
    data = job.data
    simulated: SimulatedSubjects | None = None
    if data.simulated_share:
        heads = SimulatedSlices(
            contrasts_of(card),
            n_anatomies=data.n_anatomies,
            n_lesions=data.n_lesions,
            seed=job.learn.seed,
            neighbours=card.neighbours,
        )
        simulated = heads
        if card.is_restoration:
            simulated = DegradedSimulations(card, heads, Degrader(card, job.learn))
    return Mixture(subjects, data.planes, simulated, data.simulated_share)


def batches_of(
    job: TrainJob,
    card: ModelCard,
    mixture: Mixture,
    *,
    batch_size: int,
    is_one_mask: bool = False,
) -> Batches:
    """Give the batches of one process.

    Raises
    ------
    VolumeError
        If there is nothing to draw.
    """
    n_processes = job.devices * job.num_nodes
    if job.data.pairing == "unpaired":
        return UnpairedBatches(
            job.learn, card, mixture, targets=job.targets, batch_size=batch_size
        )
    return Batches(
        job.learn,
        card,
        mixture,
        targets=job.targets,
        batch_size=batch_size,
        is_one_mask=is_one_mask,
        n_processes=n_processes,
    )


def _reader(job: TrainJob, card: ModelCard) -> Callable[[Subject], SubjectSlices]:
    """Give what makes slices of a subject."""
    align = job.data.align
    degrader = Degrader(card, job.learn) if card.is_restoration else None

    def slices_of(subject: Subject) -> SubjectSlices:
        is_pair = card.inputs[0] in subject.files
        if degrader is None or is_pair:
            return RealSlices(subject, card, job.learn, align=align)
        return DegradedSlices(subject, card, job.learn, degrader)

    return slices_of


def _can_teach(subject: Subject, wanted: set[str], card: ModelCard) -> bool:
    """Whether a subject has a target, and a source that is not the same."""
    has, inputs = set(subject.files), set(card.inputs)
    if card.is_restoration:
        return bool(has & wanted)
    return any(has & inputs - {target} for target in has & wanted)
