"""Recognise the checkpoints of the official ResViT code, and give their card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import WeightsError

from .weights import first_few

REFERENCE = "https://arxiv.org/abs/2106.16031"
FACTORY = "napari_medsynth.models.resvit:ResViT"
_ENDS = ("encoder_1.1.weight", "decoder_3.1.weight")


def is_resvit(state: Mapping[str, Tensor]) -> bool:
    """Tell whether a file has parts of a ResViT, if perhaps not all."""
    return any(key in state for key in _ENDS)


def resvit_card(
    state: Mapping[str, Tensor],
    *,
    name: str,
    card_id: str,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    n_heads: int | None = None,
    norm_statistics: str = "batch",
) -> ModelCard:
    """Give the card of a ResViT, by the shapes of its weights.

    Parameters
    ----------
    state : mapping of str to Tensor
        As `read_checkpoint` gives it.
    name : str
        Of the file.
    card_id : str
        Also the title.
    inputs, outputs : sequence of str
        Modalities in the order of the channels; the file does not know them.
    n_heads : int, optional
        Of the transformer; one per 64 numbers of a token, as in every ViT, if None.
    norm_statistics : {"batch", "running"}
        The authors validated with those of each slice.

    Raises
    ------
    WeightsError
        If these are not the weights of one, or the modalities are not as many as its
        channels.
    """
    options = infer_options(state, name=name, n_heads=n_heads)
    return ModelCard(
        id=card_id,
        family="resvit",
        task="synthesis",
        title=card_id,
        factory=FACTORY,
        options=options,
        inputs=modalities(inputs, "inputs", options["in_channels"], name),
        outputs=modalities(outputs, "outputs", options["out_channels"], name),
        norm_statistics=norm_statistics,
        reference=REFERENCE,
    )


def infer_options(
    state: Mapping[str, Tensor], *, name: str, n_heads: int | None = None
) -> dict[str, Any]:
    """Tell the options of a `ResViT` by the shapes of its weights.

    Raises
    ------
    WeightsError
        If these are not the weights of one.
    """
    lacking = [key for key in _ENDS if key not in state or state[key].ndim != 4]
    if lacking:
        hint = (
            "it looks like a discriminator, use latest_net_G.pth"
            if any(key.startswith("model.") for key in state)
            else "use a generator of the official ResViT code"
        )
        raise WeightsError(
            f"{name} needs {' and '.join(lacking)}, but holds "
            f"{first_few(list(state))}; {hint}."
        )
    first, last = (state[key] for key in _ENDS)
    blocks = {key.split(".")[0] for key in state if key.startswith("art_")}
    options: dict[str, Any] = {
        "in_channels": first.shape[1],
        "out_channels": last.shape[0],
        "width": first.shape[0],
        "n_blocks": len(blocks),
        "transformer_blocks": [],
    }
    embedded = [key for key in state if key.endswith(".positional_encoding")]
    if embedded:
        numbers = [key.split(".")[0].removeprefix("art_") for key in embedded]
        options["transformer_blocks"] = sorted(int(n) for n in numbers if n.isdecimal())
        options |= _transformer_options(state, embedded[0], name, n_heads)
    return options


def modalities(
    names: Sequence[str] | None, side: str, n_channels: int, name: str
) -> tuple[str, ...]:
    """Check that there is a name for each channel of one side, and give them."""
    if names is None or len(names) != n_channels:
        raise WeightsError(
            f"{name} has {n_channels} {side}: name their modalities (--{side}) in the "
            f"order of its channels, got {', '.join(names) if names else 'none'}."
        )
    return tuple(names)


def _transformer_options(
    state: Mapping[str, Tensor], positions: str, name: str, n_heads: int | None
) -> dict[str, Any]:
    """Tell the sizes of the shared transformer by its weights."""
    hidden = "transformer_encoder.layer.0.ffn.fc1.weight"
    n_tokens, embed_dim = [0, 0, *state[positions].shape][-2:]
    side = round(n_tokens**0.5)
    if side * side != n_tokens or hidden not in state or state[hidden].ndim != 2:
        raise WeightsError(
            f"{name} needs a matrix {hidden} and positions of a square grid, got "
            f"{n_tokens} positions; use a generator of the official ResViT code."
        )
    layers = {k.split(".")[2] for k in state if k.startswith("transformer_encoder.lay")}
    return {
        "embed_dim": embed_dim,
        "depth": len(layers),
        "n_heads": n_heads or max(1, embed_dim // 64),
        "mlp_dim": state[hidden].shape[0],
        "token_grid": [side, side],
    }
