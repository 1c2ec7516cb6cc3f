"""Measure a few steps: which batch is fastest, and how long a run will take."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace

import psutil
import torch
from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.device import free_memory, is_out_of_memory

from .data.batch import Batch
from .data.batches import Batches, Mixture
from .data.gather import batches_of, gather, mixture_of
from .device import GIB, lone_fabric
from .events import Estimated
from .job import TrainJob
from .learner import Learner
from .network import start_network
from .validate import Validation, answer

MAX_BATCH = 32
MIN_STEPS = 16  # in an epoch: a few large steps learn less than many small ones
GAIN = 1.1  # a batch twice as large must be so much faster per slice
MEMORY_SHARE = 0.4  # of what is free that a step may take: slices differ in size
N_TIMED = 2


def choose_batch_size(
    job: TrainJob, card: ModelCard, model: nn.Module, mixture: Mixture, fabric: Fabric
) -> int:
    """Give the batch size of one process that learns most slices per second.

    1, 2, 4, 8, .. are tried on the first slices, while each is faster per slice than
    the one before, fits the memory, and leaves an epoch `MIN_STEPS` steps. A copy of
    `model` learns; where several processes share the work, the first one decides.

    Raises
    ------
    RuntimeError
        If not even one slice can be learnt from.
    """
    size = 1
    if fabric.is_global_zero:
        trial = Trial(job, card, model, mixture)
        size = _fastest(trial)
        trial.forget()
    return int(fabric.broadcast(size)) if fabric.world_size > 1 else size


def estimate(job: TrainJob) -> Estimated:
    """Tell how long a job would take here, from a few steps; writes nothing.

    Only as many subjects are read as a step needs.

    Raises
    ------
    MedSynthError
        As `train`.
    """
    torch.manual_seed(job.learn.seed)
    card, model = start_network(job)
    train_on, held_out, _ = gather(job, card)
    some = train_on[:2]
    trial = Trial(job, card, model, mixture_of(job, card, some))
    size = job.learn.batch_size or _fastest(trial)
    per_step = trial.seconds(size)
    n_processes = job.devices * job.num_nodes
    per_round = trial.batches(size).n_per_round * len(train_on) / max(1, len(some))
    n_steps = job.learn.steps_per_epoch or max(1, round(per_round / n_processes))
    estimated = Estimated(
        seconds=0.0,
        seconds_per_step=per_step,
        seconds_per_epoch_end=trial.seconds_of_look(len(held_out)),
        n_epochs=job.learn.epochs,
        steps_per_epoch=n_steps,
        batch_size=size * n_processes,
    )
    return replace(estimated, seconds=estimated.seconds_of(job.learn.epochs))


class Trial:
    """A copy of a network that learns for the sake of the clock.

    Parameters
    ----------
    job : TrainJob
    card : ModelCard
    model : Module
        Not changed.
    mixture : Mixture
        Its first slices are used.
    """

    def __init__(
        self, job: TrainJob, card: ModelCard, model: nn.Module, mixture: Mixture
    ) -> None:
        self._job, self._card, self._mixture = job, card, mixture
        self._fabric = lone_fabric(job)
        copied = deepcopy(model)
        self._learner = Learner(
            job.learn, card, copied, self._fabric, targets=job.targets
        )
        self._memory = _memory_used()
        self._free = _memory_free(self._fabric.device)

    @property
    def limit(self) -> int:
        """The largest batch that is worth trying."""
        n_slices = self.batches(1).n_slices
        if not n_slices or self._job.learn.steps_per_epoch:
            return MAX_BATCH
        return max(1, min(MAX_BATCH, n_slices // MIN_STEPS))

    @property
    def is_memory_short(self) -> bool:
        """Whether a step twice as large might need too much."""
        device = self._fabric.device
        if device.type == "cuda":
            used = torch.cuda.max_memory_reserved(device) / GIB
        else:
            used = _memory_used() - self._memory
        return used > MEMORY_SHARE * self._free

    def batches(self, size: int) -> Batches:
        """Give batches of a size."""
        return batches_of(
            self._job,
            self._card,
            self._mixture,
            batch_size=size,
            is_one_mask=self._learner.is_one_mask,
        )

    def seconds(self, size: int) -> float:
        """Give what a step with a batch of this size takes [s]."""
        batches = self.batches(size)
        batch = max((batches[0], batches[1]), key=len)  # the last of a round is short
        self._learner.update(batch, 0.0)  # kernels are prepared, memory is taken
        return min(self._timed(batch) for _ in range(N_TIMED)) * size / len(batch)

    def seconds_of_look(self, n_subjects: int) -> float:
        """Give what validation on so many subjects takes [s]."""
        shown = self._mixture.subjects[:1]
        asked = Validation(
            self._card,
            shown,
            targets=self._job.targets,
            plane=self._mixture.planes[0],
        )
        if not len(asked) or not n_subjects:
            return 0.0
        start = time.perf_counter()
        answer(self._learner.mean, asked.first, self._fabric.device)
        return (time.perf_counter() - start) * len(asked) * n_subjects

    def forget(self) -> None:
        """Give the memory back."""
        del self._learner
        free_memory(self._fabric.device)

    def _timed(self, batch: Batch) -> float:
        start = time.perf_counter()
        self._learner.update(batch, 0.0)  # gives numbers: waits for the device
        return time.perf_counter() - start


def _fastest(trial: Trial) -> int:
    """Double the batch while that pays."""
    best, pace, size = 1, float("inf"), 1
    while size <= trial.limit:
        try:
            now = trial.seconds(size) / size
        except (RuntimeError, MemoryError) as err:
            if size == 1 or not is_out_of_memory(err):
                raise
            break
        if now * GAIN > pace:
            break
        best, pace = size, now
        if trial.is_memory_short:
            break
        size *= 2
    return best


def _memory_used() -> float:
    """Give the most memory that this process ever had [GiB]."""
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return float(info.peak_wset / GIB)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / GIB if psutil.MACOS else peak * 1024 / GIB)


def _memory_free(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0] / GIB)
    return float(psutil.virtual_memory().available / GIB)
