"""Objective: one way of learning; its optimisation step is all that differs."""

from __future__ import annotations

from typing import Any, Protocol

from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.training.batch import Batch
from napari_medsynth.training.config import TrainConfig

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


def make_objective(
    config: TrainConfig, generator: nn.Module, fabric: Fabric, *, n_sources: int
) -> Objective:
    """Give the objective that `config` names.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        The network; only its parameters that require gradients are trained.
    fabric : Fabric
        Device, precision and processes.
    n_sources : int
        Input channels, which a discriminator sees beside the output channels.
    """
    from .supervised import Supervised

    if config.objective == "gan":
        from .gan import Adversarial

        return Adversarial(config, generator, fabric, n_sources=n_sources)
    return Supervised(config, generator, fabric)
