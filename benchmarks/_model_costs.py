"""What a network of ``models.py`` costs: parameters, FLOPs, speed and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.models.blocks import set_norm_statistics

REFERENCE = "edsr-x2"
MIB = 1 << 20
FEW_SECONDS = 2.0  # what takes longer is timed once
REPEATS = 3


def costs(card: ModelCard, *, side: int, device: str) -> dict[str, float]:
    """Measure the network of `card` on one image; to be called in a fresh process.

    Returns
    -------
    dict
        ``parameters``; ``gflop``, multiplications and additions; ``ratio``, how many
        times longer than the reference network it takes; ``ms``: processor time on a
        CPU, on which others may work too, else time; ``mib``, the growth of this
        process' memory (of torch's, on a GPU) from before the network is built until
        its first image is made.
    """
    multiple = card.size_multiple
    shape = (1, _n_channels(card), *(2 * [-(-side // multiple) * multiple]))
    place = torch.device(device)
    torch.manual_seed(0)
    flops = count_flops(card, shape)
    with peak_memory(place) as peak:
        network = _network(card, place)
        first = _timed(network, shape, place)
    reference_card = get_card(REFERENCE)
    reference = _network(reference_card, place)
    like = (1, 1, side, side)
    _timed(reference, like, place)  # compiles kernels
    times, others = [first], []
    for _ in range(1 if first > FEW_SECONDS else REPEATS):
        others.append(_timed(reference, like, place))
        if first <= FEW_SECONDS:
            times.append(_timed(network, shape, place))
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "gflop": flops / 1e9,
        "ratio": min(times) / min(others),
        "ms": 1e3 * min(times),
        "mib": peak() / MIB,
    }


class StepFlops(TorchDispatchMode):
    """Counts as FlopCounterMode, which fails where a gradient has a gradient.

    Attributes
    ----------
    total : int
        Multiplications and additions so far, forwards and backwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Call an operation of torch and add its FLOPs, if it is one that counts."""
        given = kwargs or {}
        made = func(*args, **given)
        if count := flop_registry.get(func.overloadpacket):
            self.total += count(*args, **given, out_val=made)
        return made


def count_flops(card: ModelCard, shape: tuple[int, ...]) -> int:
    """Count multiplications and additions of one image, without computing them."""
    with torch.device("meta"), torch.inference_mode():
        network = build_model(card).eval()
        set_norm_statistics(network, card.norm_statistics)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(shape))
    return counter.get_total_flops()


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int]]:
    """Watch how far the memory rises [byte]; ask when the block is left."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: torch.cuda.max_memory_allocated(device)
        return
    process, is_over = psutil.Process(), threading.Event()
    start = process.memory_info().rss
    highest = [start]

    def watch() -> None:
        while not is_over.wait(0.002):
            highest[0] = max(highest[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: highest[0] - start
    finally:
        is_over.set()
        watcher.join()


def _network(card: ModelCard, device: torch.device) -> nn.Module:
    network = build_model(card).eval().requires_grad_(False)
    set_norm_statistics(network, card.norm_statistics)
    return network.to(device)


def _n_channels(card: ModelCard) -> int:
    return len(card.inputs) * (2 * card.neighbours + 1)


def _timed(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> float:
    """Give the seconds that one image takes."""
    is_gpu = device.type == "cuda"
    clock = time.perf_counter if is_gpu else time.process_time
    image = torch.rand(shape, device=device) * 2 - 1
    with torch.inference_mode():
        start = clock()
        network(image)
        if is_gpu:
            torch.cuda.synchronize(device)
    return clock() - start
