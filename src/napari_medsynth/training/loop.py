"""The training loop, as a generator of events."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import torch

from napari_medsynth.engine.device import free_memory, is_out_of_memory
from napari_medsynth.errors import DeviceMemoryError, EngineError

from .check_recipe import check_recipe
from .checkpoint import Checkpoint, digest_of, load_checkpoint
from .data.batch import Batch
from .data.batches import Batches
from .data.gather import gather, mixture_of
from .device import fabric_for, n_drawers
from .events import Done, Event, Note, Step
from .job import TrainJob
from .measure import choose_batch_size
from .network import start_network
from .run import CHECKPOINT, Run

Steps = Generator[Event, str | None, Done]


def train(job: TrainJob, *, folder: Path, resume: bool = False) -> Steps:
    """Train a network; yield what happens.

    ``send("stop")`` ends the run after the current step, with a checkpoint; closing the
    generator ends it at once, without. Where several processes share the work, only the
    first one yields events, takes commands and writes.

    Parameters
    ----------
    job : TrainJob
    folder : Path
        Of the run: ``checkpoint.pt``, ``tuned.safetensors`` (the best weights so far)
        and ``preview.npz`` are written there.
    resume : bool
        Continue from the checkpoint, if there is one; the run ends with the weights it
        would have had anyway. What may have changed is `checkpoint.FREE`.

    Yields
    ------
    Event
        `Started`, `Epoch` 0 (the model as it was), then `Step` after each update and
        `Epoch` after each epoch; `Estimated` after the first steps; `Note` when
        something changed.

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
    with _in_a_sentence():
        fabric = fabric_for(job)
        torch.manual_seed(job.learn.seed)
        card, model = start_network(job)
        check_recipe(job.learn, card)
        train_on, held_out, notes = gather(job, card)
        mixture = mixture_of(job, card, train_on)
        earlier = _earlier(folder / CHECKPOINT) if resume else None
        size = earlier["batch_size"] if earlier else job.learn.batch_size
        if not size:
            size = choose_batch_size(job, card, model, mixture, fabric)
            notes = [*notes, Note(f"A batch of {size} learns fastest here.")]
        run = Run(job, card, model, fabric, folder, batch_size=size)
        run.digest = digest_of(train_on, held_out, job.data.planes)
        run.watch(held_out or train_on[:1], is_held_out=bool(held_out))
        if earlier is not None:
            run.load(earlier)
        batches = run.draw_from(mixture)
        started = run.started(batches, len(train_on), len(held_out))
        steps = _take_steps(run, batches, [*notes, started])
        if run.is_first:
            return (yield from steps)
        return _silently(steps)


def _earlier(path: Path) -> Checkpoint | None:
    return load_checkpoint(path) if path.is_file() else None


def _take_steps(run: Run, batches: Batches, first: Sequence[Event]) -> Steps:
    for event in first:
        run.hear((yield event))
    if run.step == 0:
        run.clock.skip()
        epoch = run.look()
        run.clock.look()
        run.hear((yield epoch))
    run.clock.skip()
    reason = "finished"
    with closing(
        prefetched(batches, run.numbers(), n_drawers(run.fabric.device))
    ) as drawn:
        while run.step < run.n_steps:
            if run.is_stopped() or run.is_patience_over():
                reason = "stopped" if run.is_stopped() else "patience"
                break
            yield from _learn(run, next(drawn))
    run.save()
    return Done(str(run.pack()), reason)


def _learn(run: Run, batch: Batch) -> Generator[Event, str | None, None]:
    """Do one step, and what is to be done after it."""
    run.hear((yield (yield from _update(run, batch))))
    if run.clock.is_first_estimate:
        run.hear((yield run.estimated()))
    if run.is_at_epoch_end:
        epoch = run.look()
        run.save()
        run.clock.look()
        run.hear((yield epoch))
    elif run.is_checkpoint_due:
        run.save()


def _update(run: Run, batch: Batch) -> Generator[Event, str | None, Step]:
    """Update the weights; where memory is short, in smaller parts, to the same end."""
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
            # Others wait for this process to finish its step as it was begun.
            if objective.n_parts >= len(batch) or run.fabric.world_size > 1:
                raise DeviceMemoryError(
                    "A step needs more memory than there is: train with a smaller "
                    "batch, on patches, or on another device."
                ) from err
        free_memory(run.fabric.device)
        objective.n_parts = min(2 * objective.n_parts, len(batch))
        parts = objective.n_parts
        run.hear(
            (yield Note(f"Memory is short: a batch is computed in {parts} parts."))
        )


def prefetched(
    batches: Batches, numbers: Sequence[int], n_threads: int = 1
) -> Generator[Batch, None, None]:
    """Draw the next batches in threads while the last one is being learnt.

    Closing it waits for what is being drawn, one batch per thread.
    """
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="draw")
    try:
        drawn = (pool.submit(batches.__getitem__, number) for number in numbers)
        ahead = deque(islice(drawn, n_threads + 1))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(islice(drawn, 1))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Turn what torch and the disk say outside of a step into our errors."""
    try:
        yield
    except (RuntimeError, OSError, MemoryError) as err:
        if is_out_of_memory(err):
            raise DeviceMemoryError(
                "There is not enough memory to train this model here: use another "
                "device, or fewer subjects."
            ) from err
        raise EngineError(
            f"Training failed ({_first_line(err)}): resume from the last checkpoint."
        ) from err


def _silently(steps: Steps) -> Done:
    """Run without telling anybody."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            done: Done = finished.value
            return done


def _first_line(err: BaseException) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
