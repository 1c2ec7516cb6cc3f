"""What is trained: network, objective, mean of the weights; and their checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import EngineError, WeightsError

from .config import TrainConfig
from .data.batch import Batch
from .objectives import make_objective
from .trained import choose_trained, exported_state


class Learner:
    """One network under training.

    Parameters
    ----------
    config : TrainConfig
    card : ModelCard
    model : Module
        With its first weights; changed in place.
    fabric : Fabric
        Launched.
    targets : tuple of str
        Outputs that are learnt; () for all.
    """

    def __init__(
        self,
        config: TrainConfig,
        card: ModelCard,
        model: nn.Module,
        fabric: Fabric,
        *,
        targets: tuple[str, ...] = (),
    ) -> None:
        self.config, self.fabric = config, fabric
        self.step, self.rate = 0, 0.0
        self.model = model
        self.n_trained = choose_trained(model, config)
        self._is_slice = card.norm_statistics == "batch"
        # torch 2.13 on the CPU: in channels_last group norm and its gradient are
        # inaccurate where the mean is far above the spread.
        self.format = torch.contiguous_format if self._is_slice else torch.channels_last
        model.to(memory_format=self.format)  # type: ignore[call-overload]
        self.mean = deepcopy(model).eval().requires_grad_(False).to(fabric.device)
        self.objective = make_objective(
            config, model, fabric, card=card, targets=targets
        )
        self._pairs = list(_pairs(self.mean, model))

    @property
    def is_one_mask(self) -> bool:
        """Whether a norm looks at whole batches, so that masks must not be mixed."""
        norms = [m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)]
        return bool(norms) and not self._is_slice and not self.config.freeze_norm

    def update(self, batch: Batch, rate: float) -> dict[str, float]:
        """Do one step at a learning rate; give the losses, the same in all processes.

        What is random in it (dropout) depends on seed, step and process only, so that
        no random state has to be kept.

        Raises
        ------
        EngineError
            If a loss is not finite; the weights are then not to be used.
        """
        torch.manual_seed(
            _seed_of(self.config.seed, self.step, self.fabric.global_rank)
        )
        self._set_modes()
        self.rate = rate
        self.objective.set_learning_rate(rate)
        losses = self.objective.step(batch.to(self.fabric.device))
        self.step += 1
        values = dict(
            zip(losses, torch.stack([*losses.values()]).tolist(), strict=True)
        )
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise EngineError(
                f"The {wrong[0]} loss is {values[wrong[0]]} after {self.step} steps: "
                "train with a lower learning rate, or in fp32."
            )
        self._average()
        return values

    def check(self) -> None:
        """Raise EngineError if a weight is not finite.

        An infinite gradient spoils the weights one step before the loss shows it: they
        must not be saved.
        """
        if not all(bool(t.isfinite().all()) for t in _tensors(self.state_dict())):
            raise EngineError(
                f"A weight is not finite after {self.step} steps: train with a lower "
                "learning rate, or in fp32."
            )

    def _set_modes(self) -> None:
        """Train dropout, and batch norms unless they are frozen or by slice."""
        self.model.train()
        # Slice statistics are those of evaluation, and need no other mode to learn.
        if self._is_slice or self.config.freeze_norm:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the running mean towards the weights, faster in the beginning."""
        decay = min(self.config.ema, self.step / (self.step + 10))
        for mean, new in self._pairs:
            if decay and mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)

    def weights(self) -> dict[str, Tensor]:
        """Give the weights to keep, by the keys of the card's network."""
        return exported_state(self.mean)

    def state_dict(self) -> dict[str, Any]:
        """Give all that `load_state_dict` needs."""
        return {
            "step": self.step,
            "n_parts": self.objective.n_parts,
            "objective": self.objective.state_dict(),
            "mean": self.mean.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called.

        Raises
        ------
        WeightsError
            If it belongs to another network.
        """
        try:
            self.objective.load_state_dict(state["objective"])
            self.mean.load_state_dict(state["mean"])
        except (RuntimeError, KeyError, ValueError) as err:
            raise WeightsError(
                "The checkpoint belongs to another network; delete the run's folder to "
                "start again."
            ) from err
        self.step = int(state["step"])
        self.objective.n_parts = int(state["n_parts"])


def _pairs(mean: nn.Module, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Pair what changes in training: trained parameters, and buffers."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield mean.get_parameter(name), parameter
    for name, buffer in model.named_buffers():
        yield mean.get_buffer(name), buffer


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _tensors(part)


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def learning_rate(
    step: int, config: TrainConfig, *, n_steps: int, steps_per_epoch: int
) -> float:
    """Give the rate of update `step`, counted from 0.

    Notes
    -----
    "linear" is the schedule of pix2pix and ResViT, by epochs: full for all but the last
    `decay_epochs`, less one, then down to exactly 0 in the last epoch. "step" is that
    of EDSR: times `step_factor` after every `step_epochs`.
    """
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    if config.schedule == "linear":
        epoch, niter = step // steps_per_epoch, config.epochs - config.decay_epochs
        factor = 1 - max(0, epoch + 2 - niter) / (config.decay_epochs + 1)
        factor = factor if config.decay_epochs else 1.0
    elif config.schedule == "step":
        factor = config.step_factor ** (step // steps_per_epoch // config.step_epochs)
    elif config.schedule == "cosine":
        factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / n_steps))
    else:
        factor = 1.0
    return config.learning_rate * warm * max(0.0, factor)
