"""Objective: one way of learning; its optimisation step is all that differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam

from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import Batch

from .losses import mean_of_processes

Losses = dict[str, Tensor]


class Objective(Protocol):
    """A network under training, with its optimisers and whatever else it needs."""

    generator: nn.Module  # the network that is kept, without Fabric's wrapper
    n_parts: int  # how many parts a batch is computed in, to the same result

    def step(self, batch: Batch) -> Losses:
        """Update all networks once; give detached losses, "total" among them."""

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""

    def state_dict(self) -> dict[str, Any]:
        """Give all that `load_state_dict` needs: networks and optimisers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""


class Player:
    """One network and its optimiser, set up for all processes.

    Parameters
    ----------
    config : TrainConfig
    module : Module
        Changed in place; the parameters that require gradients are trained.
    fabric : Fabric

    Attributes
    ----------
    network : Module
        `module` as it must be called while gradients are wanted.
    """

    def __init__(self, config: TrainConfig, module: nn.Module, fabric: Fabric) -> None:
        self._fabric, self._clip = fabric, config.clip
        self._trained = [p for p in module.parameters() if p.requires_grad]
        betas = (config.beta1, config.beta2)
        adam = Adam(self._trained, lr=config.learning_rate, betas=betas)
        self.network, self.adam = fabric.setup(module, adam)

    @contextmanager
    def update(self) -> Iterator[None]:
        """Forget the last gradients, let some be made, and take a step with them."""
        self.adam.zero_grad(set_to_none=True)
        yield
        if self._clip:
            nn.utils.clip_grad_norm_(self._trained, self._clip)
        self.adam.step()

    def synced(self, is_last: bool) -> AbstractContextManager[None]:
        """Let the processes exchange gradients only after the last part of a batch."""
        return self._fabric.no_backward_sync(self.network, enabled=not is_last)

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        for group in self.adam.param_groups:
            group["lr"] = rate


def add_losses(sums: Losses, losses: Losses) -> None:
    """Add the losses of one part of a batch, without their gradients."""
    for name, value in losses.items():
        detached = value.detach()
        sums[name] = sums[name] + detached if name in sums else detached


def agreed_losses(losses: Losses, fabric: Fabric) -> Losses:
    """Give the mean over all processes, so that all see the same, NaN included."""
    means = mean_of_processes(torch.stack(list(losses.values())), fabric)
    return dict(zip(losses, means, strict=True))
