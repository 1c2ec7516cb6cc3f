"""What of a network is trained."""

from __future__ import annotations

from torch import Tensor, nn

from .config import TrainConfig


def choose_trained(model: nn.Module, config: TrainConfig) -> int:
    """Let only those parameters learn that `config` names; give how many numbers."""
    model.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def exported_state(model: nn.Module) -> dict[str, Tensor]:
    """Give the state dict of the network as its card builds it."""
    return model.state_dict()
