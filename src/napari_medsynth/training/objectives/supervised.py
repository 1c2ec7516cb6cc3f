"""Supervised: be close to the real image."""

from __future__ import annotations

from typing import Any

from lightning_fabric import Fabric
from torch import nn
from torch.optim import Adam

from napari_medsynth.training.batch import Batch
from napari_medsynth.training.config import TrainConfig

from .base import Losses
from .losses import supervised_losses


class Supervised:
    """L1, L2, SSIM, gradient difference, or a mix of them; see `TrainConfig`.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        Changed in place.
    fabric : Fabric
    """

    def __init__(
        self, config: TrainConfig, generator: nn.Module, fabric: Fabric
    ) -> None:
        self.generator, self.n_parts = generator, config.accumulate
        self._config, self._fabric = config, fabric
        self._trained = [p for p in generator.parameters() if p.requires_grad]
        adam = Adam(
            self._trained, lr=config.learning_rate, betas=(config.beta1, config.beta2)
        )
        self._network, self._adam = fabric.setup(generator, adam)

    def step(self, batch: Batch) -> Losses:
        """Update the network once; give detached losses."""
        parts = batch.split(self.n_parts)
        self._adam.zero_grad(set_to_none=True)
        mean: Losses = {}
        for number, part in enumerate(parts, start=1):
            share = len(part) / len(batch)
            is_early = number < len(parts)
            with self._fabric.no_backward_sync(self._network, enabled=is_early):
                losses = supervised_losses(
                    self._network(part.sources), part, self._config
                )
                self._fabric.backward(share * losses["total"])
            for name, value in losses.items():
                mean[name] = mean.get(name, 0) + share * value.detach()
        if self._config.clip:
            nn.utils.clip_grad_norm_(self._trained, self._config.clip)
        self._adam.step()
        return mean

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        for group in self._adam.param_groups:
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Give network and optimiser."""
        return {
            "generator": self.generator.state_dict(),
            "adam": self._adam.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self._adam.load_state_dict(state["adam"])
