"""What of a network is trained."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from napari_medsynth.errors import CardError
from napari_medsynth.models.blocks import ARTBlock, TransformerEncoder

from .config import TrainConfig
from .lora import add_lora, merged_state

_ENCODER = "encoder_"  # how the names of the first layers begin
_LACKS = {
    "everything": "weights",
    "decoder": "an encoder to keep",
    "transformer": "a transformer",
    "lora": "attention",
}


def choose_trained(model: nn.Module, config: TrainConfig) -> int:
    """Let only those parameters learn that `config` names; give how many numbers.

    "decoder" is all behind the encoder, "transformer" the transformers and their
    embeddings, "lora" thin corrections of the attention, which are added to `model`.

    Raises
    ------
    CardError
        If the network has no such part.
    """
    chosen = list(_chosen(model, config))
    if not chosen or (config.trained == "decoder" and not _has_encoder(model)):
        raise CardError(
            f"trained = {config.trained} needs a network with {_LACKS[config.trained]},"
            f" which this {type(model).__name__} does not have: choose everything."
        )
    model.requires_grad_(False)
    for parameter in chosen:
        parameter.requires_grad_(True)
    return sum(parameter.numel() for parameter in chosen)


def exported_state(model: nn.Module) -> dict[str, Tensor]:
    """Give the state dict of the network as its card builds it."""
    return merged_state(model)


def _chosen(model: nn.Module, config: TrainConfig) -> Iterable[nn.Parameter]:
    if config.trained == "lora":
        return add_lora(model, config.lora_rank)
    if config.trained == "transformer":
        parts = (p for m in model.modules() for p in _transformer_parts(m))
        return dict.fromkeys(p for part in parts for p in part.parameters())
    if config.trained == "decoder":
        named = model.named_parameters()
        return [p for name, p in named if not name.startswith(_ENCODER)]
    return model.parameters()


def _transformer_parts(module: nn.Module) -> Iterable[nn.Module]:
    if isinstance(module, TransformerEncoder):
        yield module
    elif isinstance(module, ARTBlock):
        yield module.embeddings


def _has_encoder(model: nn.Module) -> bool:
    return any(name.startswith(_ENCODER) for name, _ in model.named_parameters())
