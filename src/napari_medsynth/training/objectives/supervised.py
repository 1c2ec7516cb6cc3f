"""Supervised: be close to the real image."""

from __future__ import annotations

from typing import Any

from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data.batch import Batch

from .base import Losses, Player, add_losses, agreed_losses
from .losses import count, supervised_losses
from .perceptual import Features


class Supervised:
    """L1, L2, SSIM, gradients, features, or a mix of them; see `TrainConfig`.

    Of a network that gives several images, better and better, the losses are summed.

    Parameters
    ----------
    config : TrainConfig
    generator : Module
        Changed in place.
    fabric : Fabric
    features : Features, optional
        For the perceptual loss.
    """

    def __init__(
        self,
        config: TrainConfig,
        generator: nn.Module,
        fabric: Fabric,
        *,
        features: Features | None = None,
    ) -> None:
        self.generator, self.n_parts = generator, config.accumulate
        self._config, self._fabric, self._features = config, fabric, features
        self._player = Player(config, generator, fabric)

    def step(self, batch: Batch) -> Losses:
        """Update the network once; give detached losses."""
        counts, player = count(batch, self._fabric), self._player
        sums: Losses = {}
        with player.update():
            parts = batch.split(self.n_parts)
            for part in parts:
                with player.synced(part is parts[-1]):
                    output = player.network(part.sources)
                    losses = supervised_losses(
                        output, part, self._config, counts, self._features
                    )
                    self._fabric.backward(losses["total"])
                add_losses(sums, losses)
        return agreed_losses(sums, self._fabric)

    def set_learning_rate(self, rate: float) -> None:
        """Use `rate` from the next step on."""
        self._player.set_learning_rate(rate)

    def state_dict(self) -> dict[str, Any]:
        """Give network and optimiser."""
        return {
            "generator": self.generator.state_dict(),
            "adam": self._player.adam.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self.generator.load_state_dict(state["generator"])
        self._player.adam.load_state_dict(state["adam"])
