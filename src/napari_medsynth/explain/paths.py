"""Path strengths: by which ways the output of an ART block came about."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_medsynth.errors import CardError
from napari_medsynth.models.blocks import ARTBlock

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork

INPUT_SKIP, CONTEXTUAL, LOCAL, HYBRID = "input skip", "contextual", "local", "hybrid"
PATHS = (INPUT_SKIP, CONTEXTUAL, LOCAL, HYBRID)


@dataclass(frozen=True)
class PathStrength:
    """By which paths the feature map of one block came about, on one slice.

    Parameters
    ----------
    block : str
        "art_1".
    strengths : mapping
        Path to its share of the four; they sum to 1:

        - "input skip": the block's input, through the channel compression only;
        - "contextual": the transformer's output, likewise;
        - "local": the block's input, through the convolutions after it;
        - "hybrid": the transformer's output, through these convolutions.

        A block without a transformer has "input skip" and "local" only.
    base : float
        Share of what is there without input and context (biases, norms): its size over
        that of it and all paths.
    """

    block: str
    strengths: Mapping[str, float]
    base: float


def path_strengths(
    prepared: Prepared, network: SliceNetwork, index: int
) -> tuple[PathStrength, ...]:
    """Measure the paths of all blocks on one slice, in the order the blocks run.

    An ART block computes y = z + c(z), where the channel compression z joins context
    and input and c is the convolutional branch [1]_. Each of z and c(z) is split
    between the two by their Shapley values [2]_ (an absent one is 0): that is exact,
    y = base + the sum of the paths, though both are nonlinear. The size of a path is
    the Euclidean norm over the feature map.

    Parameters
    ----------
    prepared : Prepared
        The study.
    network : SliceNetwork
        Its model; with folded norms or not.
    index : int
        Slice along the plane's axis.

    Raises
    ------
    CardError
        If the network has no such blocks.
    EngineError
        If the network fails.

    References
    ----------
    .. [1] O. Dalmaz et al., "ResViT", IEEE TMI 41(10), 2022, section II-B.
       https://arxiv.org/abs/2106.16031
    .. [2] L. S. Shapley, "A value for n-person games", 1953.
    """
    blocks = _blocks(network.network)
    if not blocks:
        raise CardError(
            f"{prepared.card.title} has no residual blocks with paths: choose a ResViT."
        )
    entered = _entered(network, prepared.inputs((index,)))
    found = []
    with torch.inference_mode():
        for name, module in _blocks(network.network).items():
            base, parts = split_block(module, entered[name])
            sizes = {path: part.norm().item() for path, part in parts.items()}
            found.append(_shares(name, sizes, base.norm().item()))
    return tuple(found)


def path_strengths_of(
    prepared: Prepared, network: SliceNetwork, indices: Collection[int]
) -> Generator[int, None, dict[int, tuple[PathStrength, ...]]]:
    """Measure the paths on several slices; empty ones are left out.

    Yields
    ------
    int
        How many of `indices` are done.

    Returns
    -------
    dict
        Index to what `path_strengths` gives.
    """
    found = {}
    for done, index in enumerate(indices, start=1):
        if not prepared.is_empty(index):
            found[index] = path_strengths(prepared, network, index)
        yield done
    return found


def split_block(block: nn.Module, entered: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Split the output of a block into what its paths carry.

    Parameters
    ----------
    block : Module
        An `ARTBlock`, or its residual part alone.
    entered : Tensor
        (1, C, H, W), what enters its channel compression: context, then input; or its
        residual part.

    Returns
    -------
    base : Tensor
        Output for neither context nor input, float32.
    parts : dict
        Path to tensor; base and parts sum to the block's output.
    """
    residual: Any = block.residual_cnn
    branch = residual[0].conv_block
    if not isinstance(block, ARTBlock):
        base = branch(torch.zeros_like(entered)).float()
        local = branch(entered).float() - base
        return base, {INPUT_SKIP: entered.float(), LOCAL: local}
    n_context = entered.shape[1] // 2
    only_context, only_input = entered.clone(), entered.clone()
    only_context[:, n_context:] = 0
    only_input[:, :n_context] = 0
    coalitions = (torch.zeros_like(entered), only_context, only_input, entered)
    compressed, refined = [], []
    for joined in coalitions:
        z = block.cc(joined)
        compressed.append(z.float())
        refined.append(branch(z).float())
    parts = {
        INPUT_SKIP: _second(compressed),
        CONTEXTUAL: _first(compressed),
        LOCAL: _second(refined),
        HYBRID: _first(refined),
    }
    return compressed[0] + refined[0], parts


def _first(outputs: list[Tensor]) -> Tensor:
    """Shapley value of the first of two players: none, first, second, both."""
    none, first, second, both = outputs
    return ((first - none) + (both - second)) / 2


def _second(outputs: list[Tensor]) -> Tensor:
    none, first, second, both = outputs
    return ((second - none) + (both - first)) / 2


def _shares(name: str, sizes: Mapping[str, float], base: float) -> PathStrength:
    total = sum(sizes.values())
    everything = total + base
    return PathStrength(
        name,
        {path: size / total if total else 0.0 for path, size in sizes.items()},
        base / everything if everything else 0.0,
    )


def _blocks(network: nn.Module) -> dict[str, nn.Module]:
    """Give the blocks between encoder and decoder by name."""
    return {n: m for n, m in network.named_children() if hasattr(m, "residual_cnn")}


def _entered(network: SliceNetwork, inputs: Tensor) -> dict[str, Tensor]:
    """Run a slice and keep what entered the compression, or the block without one."""
    while True:
        running = network.network
        with _watched(running) as entered:
            network(inputs)
        if network.network is running:  # else it moved to the CPU: watch that one
            return entered


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    entered: dict[str, Tensor] = {}
    hooks = []
    for name, block in _blocks(network).items():
        module: Any = block.cc if isinstance(block, ARTBlock) else block
        keep = partial(_keep, entered, name, get_ident())
        hooks.append(module.register_forward_pre_hook(keep))
    try:
        yield entered
    finally:
        for hook in hooks:
            hook.remove()


def _keep(
    entered: dict[str, Tensor],
    name: str,
    thread: int,
    module: nn.Module,
    args: tuple[Tensor, ...],
) -> None:
    del module
    if thread == get_ident():  # another one may run another slice meanwhile
        entered[name] = args[0].detach().clone()  # later layers may write into it
