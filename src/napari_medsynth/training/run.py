"""Run: the state of one training run, and what it writes into its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import ModelCard, write_pack
from napari_medsynth.engine.weights import state_to_numpy

from .card import recipe_facts
from .checkpoint import (
    FORMAT,
    Checkpoint,
    check_digest,
    check_settings,
    save_checkpoint,
    settings_of,
)
from .clock import Clock
from .data.batch import Batch
from .data.batches import Batches, Mixture
from .data.gather import batches_of
from .data.samples import SubjectSlices
from .device import any_of, choose_training_precision, memory_in_use
from .events import Epoch, Estimated, Started, Step
from .job import TrainJob
from .learner import Learner, learning_rate
from .network import base_pack
from .watch import Watch

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
    fabric : Fabric
        Launched.
    folder : Path
        Made if need be.
    batch_size : int
        Of one process.
    """

    def __init__(
        self,
        job: TrainJob,
        card: ModelCard,
        model: nn.Module,
        fabric: Fabric,
        folder: Path,
        *,
        batch_size: int,
    ) -> None:
        self.job, self.card, self.folder, self.fabric = job, card, folder, fabric
        self._n_parameters = sum(p.numel() for p in model.parameters())
        self.learner = Learner(job.learn, card, model, fabric, targets=job.targets)
        self.batch_size, self.digest = batch_size, ""
        self.steps_per_epoch = max(1, job.learn.steps_per_epoch)
        self.clock = Clock()
        self._sums: dict[str, float] = {}
        self._n_summed = 0
        self._is_stopped, self._saved = False, -1
        self._watch = self._watched((), is_held_out=False)
        self._earlier = 0.0
        base = base_pack(job)
        self._parent = base.card.sha256 if base else ""

    @property
    def is_first(self) -> bool:
        """Whether this process tells and writes."""
        return bool(self.fabric.is_global_zero)

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

    def hear(self, command: str | None) -> None:
        """Take a command: "stop", or None."""
        self._is_stopped = self._is_stopped or command == "stop"

    def is_stopped(self) -> bool:
        """Whether any of the processes was told to stop; all of them must ask."""
        self._is_stopped = any_of(self.fabric, self._is_stopped)
        return self._is_stopped

    def is_patience_over(self) -> bool:
        """Whether validation has not become better for too long; all must ask."""
        patience = self.job.learn.patience
        watch = self._watch
        if not (patience and self.epoch and self.is_at_epoch_end):
            return False
        is_over = watch.is_validated and self.epoch - watch.best_epoch >= patience
        return any_of(self.fabric, is_over)

    def draw_from(self, mixture: Mixture) -> Batches:
        """Give the batches of this process; fixes the length of an epoch."""
        batches = batches_of(
            self.job,
            self.card,
            mixture,
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
        if self.is_first:
            self._watch = self._watched(shown, is_held_out=is_held_out)

    def started(self, batches: Batches, n_train: int, n_held_out: int) -> Started:
        """Describe what is about to happen, and start the clock."""
        self.clock.start()
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
            precision=choose_training_precision(self.job, self.fabric.device.type),
            folder=str(self.folder),
        )

    def update(self, batch: Batch) -> Step:
        """Learn from one batch and describe it; see `Learner.update`."""
        rate = learning_rate(
            self.step,
            self.job.learn,
            n_steps=self.n_steps,
            steps_per_epoch=self.steps_per_epoch,
        )
        losses = self.learner.update(batch, rate)
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._n_summed += 1
        n_images = len(batch) * self.fabric.world_size
        took = self.clock.step()
        return Step(
            step=self.step,
            epoch=(self.step - 1) // self.steps_per_epoch + 1,
            losses=losses,
            learning_rate=rate,
            samples_per_second=n_images / max(took, 1e-9),
            seconds=self.clock.seconds,
            eta=self._eta(),
            memory=memory_in_use(self.fabric.device),
        )

    def estimated(self) -> Estimated:
        """Tell how long the rest will take."""
        return Estimated(
            seconds=self._eta(),
            seconds_per_step=self.clock.per_step,
            seconds_per_epoch_end=self.clock.per_look,
            n_epochs=self.job.learn.epochs,
            steps_per_epoch=self.steps_per_epoch,
            batch_size=self.batch_size * self.fabric.world_size,
        )

    def look(self) -> Epoch:
        """Measure the mean of the weights on what is watched; keep it if it is best."""
        self.learner.check()
        watch, model = self._watch, self.learner.mean
        validation = watch.measure(model)
        is_best = self.epoch > 0 and self.is_first and watch.is_best(validation)
        is_best = any_of(self.fabric, is_best)
        if is_best:
            watch.remember(self.epoch, validation)
            self._write_pack()
        train = {name: value / self._n_summed for name, value in self._sums.items()}
        self._sums, self._n_summed = {}, 0
        preview = watch.show(self.folder / PREVIEW, model)
        return Epoch(self.epoch, train, validation, is_best, preview)

    def save(self) -> None:
        """Write the checkpoint, if anything is new, and unless weights are spoilt."""
        if self._saved == self.step:
            return
        self.learner.check()
        if self.is_first:
            save_checkpoint(self.folder / CHECKPOINT, self._state())
        self.fabric.barrier()
        self._saved = self.step

    def load(self, checkpoint: Checkpoint) -> None:
        """Continue where `save` was called.

        Raises
        ------
        WeightsError
            If the settings, the subjects or the network were others.
        """
        check_settings(json.loads(checkpoint["settings"]), self.job)
        check_digest(checkpoint["digest"], self.digest)
        self.learner.load_state_dict(checkpoint["learner"])
        self._saved = self.step
        self._watch.load_state_dict(checkpoint["watch"])
        self._sums = dict(checkpoint["sums"])
        self._n_summed = int(checkpoint["n_summed"])
        self._earlier = float(checkpoint["seconds"])

    def pack(self) -> Path:
        """Give the pack with the best weights; the last ones where none is known."""
        path = self.folder / PACK
        watch = self._watch
        if not (watch.is_validated and watch.best_epoch and path.is_file()):
            self._write_pack()
        return path

    def _state(self) -> Checkpoint:
        return {
            "format": FORMAT,
            "settings": json.dumps(settings_of(self.job)),
            "digest": self.digest,
            "learner": self.learner.state_dict(),
            "batch_size": self.batch_size,
            "watch": self._watch.state_dict(),
            "sums": self._sums,
            "n_summed": self._n_summed,
            "seconds": self._earlier + self.clock.seconds,
        }

    def _eta(self) -> float:
        return self.clock.eta(
            n_steps=self.n_steps - self.step,
            n_looks=self.job.learn.epochs - self.epoch,
        )

    def _watched(self, shown: Sequence[SubjectSlices], *, is_held_out: bool) -> Watch:
        model, device = self.learner.mean, self.fabric.device
        return Watch(self.job, self.card, shown, model, device, is_held_out=is_held_out)

    def _write_pack(self) -> None:
        if not self.is_first:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = state_to_numpy(self.learner.weights(), dtype=np.float16)
        facts = recipe_facts(
            self.job,
            n_steps=self.step,
            seconds=self._earlier + self.clock.seconds,
            parent=self._parent,
            batch_size=self.batch_size * self.fabric.world_size,
        )
        card = replace(self.card, training=facts, parameters=self._n_parameters)
        write_pack(self.folder / PACK, card, arrays)
