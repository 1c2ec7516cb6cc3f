"""LoRA: learn a thin correction of each attention projection."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from napari_medsynth.models.blocks import SelfAttention


class LoRA(nn.Module):
    """Add the product of two thin matrices, zero at first, to a weight [1]_.

    Parameters
    ----------
    weight : Tensor
        (outputs, inputs).
    rank : int
        Columns of one and rows of the other; at most a side of `weight`.

    References
    ----------
    .. [1] E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR
       2022. https://arxiv.org/abs/2106.09685
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rank = min(rank, *weight.shape)
        self.down = nn.Parameter(weight.new_empty(rank, weight.shape[1]))
        self.up = nn.Parameter(weight.new_zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Give the corrected weight."""
        return weight + self.up @ self.down


def add_lora(model: nn.Module, rank: int) -> list[nn.Parameter]:
    """Put a `LoRA` on all attention projections; give the parameters to train."""
    added: list[nn.Parameter] = []
    for attention in [m for m in model.modules() if isinstance(m, SelfAttention)]:
        for map_ in (attention.query, attention.key, attention.value, attention.out):
            lora = LoRA(map_.weight.detach(), rank)
            parametrize.register_parametrization(map_, "weight", lora)
            added += lora.parameters()
    return added


@torch.no_grad()
def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """Give the state dict that `model` would have without `add_lora`."""
    state = {
        k: v for k, v in model.state_dict().items() if ".parametrizations." not in k
    }
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.clone()
    return state
