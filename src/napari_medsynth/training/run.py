"""Run: the state of one training run, and what it writes into its folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard, write_pack
from napari_medsynth.engine.weights import state_to_numpy

from .batch import Batch
from .batches import Batches, Mixture
from .card import recipe_facts
from .checkpoint import Checkpoint, save_checkpoint
from .device import agreed, fabric_for
from .events import Epoch, Started, Step
from .job import TrainJob
from .learner import Learner, learning_rate
from .network import base_pack
from .samples import SubjectSlices
from .validate import Validation, answer, write_preview

GIB = 1024**3
DEFAULT_BATCH = 4
CHECKPOINT, PACK, PREVIEW = "checkpoint.pt", "tuned.safetensors", "preview.npz"


class Run:
    """One training run.

    Parameters
    ----------
    job : TrainJob
    card : ModelCard
        Of the network.
    model : Module
        With its first weights; changed in place.
    folder : Path
        Made if need be.
    """

    def __init__(
        self, job: TrainJob, card: ModelCard, model: nn.Module, folder: Path
    ) -> None:
        self.job, self.card, self.folder = job, card, folder
        self.fabric = fabric_for(job)
        self.learner = Learner(job.learn, card, model, self.fabric)
        self.batch_size = job.learn.batch_size or DEFAULT_BATCH
        self.steps_per_epoch = max(1, job.learn.steps_per_epoch)
        self._best, self._best_epoch = float("inf"), 0
        self._validation: Validation | None = None
        self._is_validated = False
        self._before: np.ndarray | None = None
        self._start = self._last = time.monotonic()
        self._n_taken, self._earlier = 0, 0.0
        base = base_pack(job)
        self._parent = base.card.sha256 if base else ""

    @property
    def step(self) -> int:
        """Updates done."""
        return self.learner.step

    @property
    def n_steps(self) -> int:
        """Updates to do, those that are done included."""
        return self.steps_per_epoch * self.job.learn.epochs

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self.step // self.steps_per_epoch

    @property
    def is_at_epoch_end(self) -> bool:
        return self.step % self.steps_per_epoch == 0

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether the settings ask for a checkpoint now."""
        every = self.job.learn.checkpoint_every
        return self.is_at_epoch_end or bool(every and self.step % every == 0)

    @property
    def is_patience_over(self) -> bool:
        """Whether validation has not become better for too long."""
        patience = self.job.learn.patience
        is_over = self.epoch - self._best_epoch >= patience
        return bool(
            self._is_validated and patience and self.is_at_epoch_end and is_over
        )

    def draw_from(self, mixture: Mixture) -> Batches:
        """Give the batches of this process; fixes the length of an epoch."""
        batches = Batches(
            self.job.learn,
            self.card,
            mixture,
            targets=self.job.targets,
            batch_size=self.batch_size,
            is_one_mask=self.learner.is_one_mask,
        )
        per_round = max(1, batches.n_per_round // self.fabric.world_size)
        self.steps_per_epoch = self.job.learn.steps_per_epoch or per_round
        return batches

    def numbers(self) -> list[int]:
        """Give the batches that this process still has to learn from."""
        size, rank = self.fabric.world_size, self.fabric.global_rank
        return [step * size + rank for step in range(self.step, self.n_steps)]

    def watch(self, shown: Sequence[SubjectSlices], *, is_held_out: bool) -> None:
        """Ask the network the same questions about `shown` after every epoch."""
        if not self.fabric.is_global_zero:
            return
        self._validation = Validation(
            self.card, shown, targets=self.job.targets, plane=self.job.data.planes[0]
        )
        self._is_validated = is_held_out and len(self._validation) > 0
        if len(self._validation):
            model, device = self.learner.mean, self.fabric.device
            self._before, _ = answer(model, self._validation.first, device)

    def started(self, batches: Batches, n_train: int, n_held_out: int) -> Started:
        """Describe what is about to happen, and start the clock."""
        self._start = self._last = time.monotonic()
        return Started(
            n_steps=self.n_steps,
            n_epochs=self.job.learn.epochs,
            steps_per_epoch=self.steps_per_epoch,
            step=self.step,
            n_train=n_train,
            n_held_out=n_held_out,
            n_slices=batches.n_slices,
            n_parameters=self.learner.n_trained,
            batch_size=self.batch_size * self.fabric.world_size,
            device=str(self.fabric.device),
            precision=str(self.fabric._precision.precision),
            folder=str(self.folder),
        )

    def update(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; see `Learner.update`."""
        rate = learning_rate(
            self.step,
            self.job.learn,
            n_steps=self.n_steps,
            steps_per_epoch=self.steps_per_epoch,
        )
        values = self.learner.update(batch, rate)
        self._n_taken += 1
        return values

    def stepped(self, losses: Mapping[str, float], batch: Batch) -> Step:
        """Describe the update that was just done."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        seconds = now - self._start
        n_images = len(batch) * self.fabric.world_size
        return Step(
            step=self.step,
            epoch=(self.step - 1) // self.steps_per_epoch + 1,
            losses=losses,
            learning_rate=self.learner.rate,
            samples_per_second=n_images / max(took, 1e-9),
            seconds=seconds,
            eta=seconds / self._n_taken * (self.n_steps - self.step),
            memory=self._memory(),
        )

    def look(self, train: Mapping[str, float]) -> Epoch:
        """Measure the mean of the weights on what is watched; keep it if it is best."""
        validation: dict[str, float] = {}
        is_best = self.epoch > 0 and not self._is_validated
        if self._validation is not None and self._is_validated:
            validation = self._validation.measure(self.learner.mean, self.fabric.device)
            is_best = self.epoch > 0 and validation["mae"] < self._best
        is_best = agreed(self.fabric, is_best)
        if is_best:
            self._best, self._best_epoch = validation.get("mae", 0.0), self.epoch
            self._write_pack()
        return Epoch(self.epoch, train, validation, is_best, self._write_preview())

    def save(self) -> None:
        """Write the checkpoint."""
        if self.fabric.is_global_zero:
            save_checkpoint(self.folder / CHECKPOINT, self._state())
        self.fabric.barrier()

    def load(self, checkpoint: Checkpoint) -> None:
        """Continue where `save` was called."""
        self.learner.load_state_dict(checkpoint["learner"])
        self.batch_size = int(checkpoint["batch_size"])
        self._best = float(checkpoint["best"])
        self._best_epoch = int(checkpoint["best_epoch"])
        self._earlier = float(checkpoint["seconds"])
        self._before = checkpoint["before"].numpy() if "before" in checkpoint else None

    def pack(self) -> Path:
        """Give the pack with the best weights, written now if there was none."""
        path = self.folder / PACK
        if self._best_epoch == 0:
            self._write_pack()
        return path

    def agree(self, is_so: bool) -> bool:
        """Let the first process decide for all."""
        return agreed(self.fabric, is_so)

    def _state(self) -> Checkpoint:
        before = self._before
        return {
            "learner": self.learner.state_dict(),
            "batch_size": self.batch_size,
            "best": self._best,
            "best_epoch": self._best_epoch,
            "seconds": self._seconds(),
            **({} if before is None else {"before": torch.from_numpy(before)}),
        }

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._start

    def _write_pack(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = state_to_numpy(self.learner.weights(), dtype=np.float16)
        facts = recipe_facts(
            self.job,
            n_steps=self.step,
            seconds=self._seconds(),
            parent=self._parent,
            batch_size=self.batch_size * self.fabric.world_size,
        )
        n = sum(p.numel() for p in self.learner.mean.parameters())
        card = replace(self.card, training=facts, parameters=n)
        write_pack(self.folder / PACK, card, arrays)

    def _write_preview(self) -> str:
        if self._validation is None or self._before is None:
            return ""
        question = self._validation.first
        now, _ = answer(self.learner.mean, question, self.fabric.device)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_preview(self.folder / PREVIEW, question, self._before, now)
        return str(self.folder / PREVIEW)

    def _memory(self) -> float:
        if self.fabric.device.type == "cuda":
            return torch.cuda.memory_reserved(self.fabric.device) / GIB
        return float(psutil.Process().memory_info().rss / GIB)
