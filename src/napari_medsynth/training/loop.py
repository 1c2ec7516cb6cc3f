"""The training loop, as a generator of events."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.device import is_out_of_memory
from napari_medsynth.errors import DeviceMemoryError, EngineError

from .batch import Batch
from .batches import Batches, Mixture, contrasts_of
from .checkpoint import load_checkpoint
from .cohort import find_subjects, split_subjects
from .events import Done, Event, Note
from .job import TrainJob
from .network import start_network
from .run import CHECKPOINT, Run
from .samples import SubjectSlices
from .simulated import SimulatedSlices
from .slices import RealSlices

Steps = Generator[Event, str | None, Done]
Subjects = Sequence[SubjectSlices]


def train(job: TrainJob, *, folder: Path, resume: bool = False) -> Steps:
    """Train a network; yield what happens.

    ``send("stop")`` ends the run after the current step, with a checkpoint; closing the
    generator ends it at once, without.

    Parameters
    ----------
    job : TrainJob
    folder : Path
        Of the run: ``checkpoint.pt``, ``tuned.safetensors`` (the best weights so far)
        and ``preview.npz`` are written there.
    resume : bool
        Continue from the checkpoint, if there is one; the run ends with the weights it
        would have had anyway.

    Yields
    ------
    Event
        `Started`, `Epoch` 0 (the model as it was), then `Step` after each update and
        `Epoch` after each epoch; `Note` when something changed.

    Returns
    -------
    Done

    Raises
    ------
    CardError, VolumeError
        If the settings or the subjects cannot be used.
    WeightsError
        If the base or the checkpoint is damaged or belongs to something else.
    EngineError
        If a loss is not finite, the disk is full or the device fails; the last good
        checkpoint stays.
    DeviceMemoryError
        If one slice needs more memory than there is.
    """
    if job.learn.n_threads:
        torch.set_num_threads(job.learn.n_threads)
    torch.manual_seed(job.learn.seed)
    card, model = start_network(job)
    train_on, held_out = gather(job, card)
    run = Run(job, card, model, folder)
    run.watch(held_out or train_on[:1], is_held_out=bool(held_out))
    if resume and (folder / CHECKPOINT).is_file():
        run.load(load_checkpoint(folder / CHECKPOINT))
    batches = run.draw_from(mixture_of(job, card, train_on))
    yield run.started(batches, len(train_on), len(held_out))
    if run.step == 0:
        yield run.look({})
    return (yield from _take_steps(run, batches))


def _take_steps(run: Run, batches: Batches) -> Steps:
    losses: list[dict[str, float]] = []
    reason = "finished"
    for batch in prefetched(batches, run.numbers()):
        losses.append((yield from _update(run, batch)))
        command = yield run.stepped(losses[-1], batch)
        if run.is_at_epoch_end:
            command = (yield run.look(_means(losses))) or command
            losses.clear()
        is_stopped = run.agree(command == "stop")
        if is_stopped or run.is_checkpoint_due:
            run.save()
        if is_stopped or run.agree(run.is_patience_over):
            reason = "stopped" if is_stopped else "patience"
            break
    return Done(str(run.pack()), reason)


def _update(run: Run, batch: Batch) -> Generator[Event, str | None, dict[str, float]]:
    """Do one step; where memory is short, in smaller parts, to the same result."""
    objective = run.learner.objective
    while True:
        try:
            return run.update(batch)
        except (RuntimeError, MemoryError) as err:
            if not is_out_of_memory(err):
                raise EngineError(
                    f"Training failed after {run.step} steps ({_first_line(err)}): "
                    "resume from the last checkpoint."
                ) from err
            if objective.n_parts >= len(batch):
                raise DeviceMemoryError(
                    "One slice needs more memory than there is: train on patches, or "
                    "on another device."
                ) from err
        objective.n_parts = min(2 * objective.n_parts, len(batch))
        yield Note(
            f"Memory is short: each batch is computed in {objective.n_parts} parts."
        )


def gather(job: TrainJob, card: ModelCard) -> tuple[Subjects, Subjects]:
    """Give the slices to train on and those held out."""
    subjects = find_subjects(job.data, contrasts_of(card))
    groups = split_subjects(subjects, job.data, seed=job.learn.seed)
    train_on, held_out = (
        [RealSlices(s, card, job.learn, align=job.data.align) for s in group]
        for group in groups
    )
    return train_on, held_out


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


def prefetched(batches: Batches, numbers: Sequence[int]) -> Iterator[Batch]:
    """Draw the next batches in a thread while the last one is being learnt."""
    with ThreadPoolExecutor(1) as pool:
        drawn = (pool.submit(batches.__getitem__, number) for number in numbers)
        ahead = deque(islice(drawn, 2))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(islice(drawn, 1))
            yield batch


def _means(losses: list[dict[str, float]]) -> dict[str, float]:
    names = losses[0] if losses else {}
    return {name: float(np.mean([values[name] for values in losses])) for name in names}


def _first_line(err: BaseException) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
