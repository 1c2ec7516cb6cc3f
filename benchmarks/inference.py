"""Measure how fast, with how much memory, and how near the machine's peak predict runs.

Every figure is compared with the plain loop (eager, fp32, one slice at a time) of the
same network, measured in turn with it, so that other work on the machine hurts both:

    python benchmarks/inference.py --models starter original --slices 8 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.engine import choose_device, choose_precision, predict
from napari_medsynth.engine.device import DTYPES
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.engine.network import ready
from napari_medsynth.engine.weights import load_model
from napari_medsynth.io import Study, Volume
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.simulate import sample_study

STARTER = get_card("starter")
ORIGINAL = {"in_channels": 3, "out_channels": 1}
OPTIONS = {
    "starter": dict(STARTER.options),
    "original": ORIGINAL,
    "original-batch": ORIGINAL,  # as official checkpoints are imported
}
STATISTICS = {
    "starter": STARTER.norm_statistics,
    "original": "running",
    "original-batch": "batch",
}
NAMES = ("T1", "T2", "PD", "FLAIR")


def main() -> None:
    """Print the table, or one JSON row of it (``--row``)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(OPTIONS))
    parser.add_argument("--slices", type=int, default=6, help="slices of each timing")
    parser.add_argument("--repeats", type=int, default=3, help="timings; the median")
    parser.add_argument("--size", type=int, default=256, help="pixels of a side")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--row", choices=["speed", "memory"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        measure = speed if options.row == "speed" else memory
        print(json.dumps(measure(options.models[0], options)))
        return
    rows = [{**row(m, "speed"), **row(m, "memory")} for m in options.models]
    Console(width=170).print(as_table(rows, options))


def row(model: str, what: str) -> dict[str, float]:
    """Measure one model in a process of its own: peak memory only ever grows."""
    command = [sys.executable, __file__, *sys.argv[1:], "--row", what]
    run = subprocess.run(
        [*command, "--models", model], check=True, stdout=subprocess.PIPE, text=True
    )
    return {"model": model, **json.loads(run.stdout.splitlines()[-1])}


def speed(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Time predict, predict with attention and the plain loop, in turn."""
    torch.manual_seed(0)
    model = network(name)
    card = card_of(name, model)
    device = choose_device(options.device)
    precision = precision_of(card, device, options)
    study = study_of(card, (options.slices + 1, options.size, options.size))
    runs = {"plain": [], "ours": [], "attention": [], "gemm": []}
    for _ in range(options.repeats):
        runs["gemm"].append(gemm_peak(device, DTYPES[precision]))
        runs["plain"].append(plain_loop(model, device, options))
        for key, kinds in (("ours", ()), ("attention", ("rollout",))):
            steps = predict(
                study,
                card,
                targets=card.outputs[-1:],
                model=model,
                device=str(device),
                precision=precision,
                attention=kinds,
            )
            runs[key].append(seconds_per_slice(steps))
    rms, largest = error_of(name, model, device, precision)
    flops = count_flops(name, options.size)
    peak = max(runs["gemm"])
    ours = median(runs["ours"])
    ratios = zip(runs["plain"], runs["ours"], strict=True)
    return {
        "parameters": card.parameters,
        "precision": precision,
        "rms": rms,
        "largest": largest,
        "gflop": flops / 1e9,
        "plain_ms": 1e3 * median(runs["plain"]),
        "ours_ms": 1e3 * ours,
        "ratio": median(plain / our for plain, our in ratios),
        "peak_gflops": peak / 1e9,
        "share": flops / ours / peak,
        "attention": median(runs["attention"]) / ours - 1,
    }


def memory(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Give the peak memory [MiB] of a few slices of a cubic study of all contrasts."""
    model = network(name)
    card = card_of(name, model)
    study = study_of(card, (options.size,) * 3)
    device = choose_device(options.device)
    precision = precision_of(card, device, options)
    before = resident()
    steps = predict(
        study,
        card,
        targets=card.outputs[-1:],
        slices=range(options.size // 2, options.size // 2 + options.slices),
        model=model,
        device=str(device),
        precision=precision,
    )
    for _ in steps:
        pass
    return {"start_mib": before, "peak_mib": resident(peak=True)}


def network(name: str) -> nn.Module:
    """Give the starter with its weights, the others with random ones."""
    if name == "starter":
        return load_model(STARTER)
    model = ResViT(**OPTIONS[name]).eval()
    set_norm_statistics(model, STATISTICS[name])
    return model


def error_of(
    name: str, model: nn.Module, device: torch.device, precision: str
) -> tuple[float, float]:
    """Give rms and maximum of the difference to fp32, of one slice in [-1, 1].

    A slice of the sample study without its last contrast for the starter, else noise.
    """
    image = torch.rand(1, OPTIONS[name]["in_channels"], 256, 256) * 2 - 1
    if name == "starter":
        volumes = [sample_study()[m].data[0] for m in NAMES]
        middle = [
            fit_normalisation(v, {}).forward(v[len(v) // 2, 16:176, 16:144])
            for v in volumes
        ]
        image = torch.from_numpy(np.stack(middle))[None]
        image[:, -1] = -1
    with torch.inference_mode():
        fast = ready(model, device, precision)
        dtype = DTYPES[precision]
        made = fast(image.to(device, dtype).contiguous()).float().cpu()
        error = made - model.cpu()(image)
    return float(error.square().mean().sqrt()), float(error.abs().max())


def precision_of(
    card: ModelCard, device: torch.device, options: argparse.Namespace
) -> str:
    """Choose as predict does for the weights of a card."""
    return choose_precision(
        options.precision,
        device,
        n_parameters=card.parameters,
        norm_statistics=card.norm_statistics,
    )


def plain_loop(
    model: nn.Module, device: torch.device, options: argparse.Namespace
) -> float:
    """Give the seconds per slice of what a newcomer would write."""
    channels = model.encoder_1[1].in_channels
    image = torch.rand(1, channels, options.size, options.size) * 2 - 1
    model = model.to(device)
    with torch.inference_mode():
        model(image.to(device)).cpu()
        start = time.perf_counter()
        for _ in range(options.slices):
            model(image.to(device)).cpu()
    seconds = time.perf_counter() - start
    model.cpu()
    return seconds / options.slices


def seconds_per_slice(steps) -> float:
    """Time a prediction from its first finished batch on."""
    start = first = done = 0
    for progress in steps:
        done = progress.done
        if done and not start:
            start, first = time.perf_counter(), done
    return (time.perf_counter() - start) / (done - first)


def count_flops(name: str, size: int) -> int:
    """Count multiplications and additions of one slice, without computing them."""
    with torch.device("meta"), torch.inference_mode():
        model = ResViT(**OPTIONS[name]).eval()
        image = torch.empty(1, OPTIONS[name]["in_channels"], size, size)
        with FlopCounterMode(display=False) as counter:
            model(image)
    return counter.get_total_flops()


def gemm_peak(device: torch.device, dtype: torch.dtype, *, side: int = 2048) -> float:
    """Give the best measured rate [1/s] of a square matrix product of this dtype."""
    side = 8192 if device.type == "cuda" else side
    a = torch.rand(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(12):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def card_of(name: str, model: nn.Module) -> ModelCard:
    """Describe a network with random weights."""
    n_in, n_out = (OPTIONS[name][key] for key in ("in_channels", "out_channels"))
    return ModelCard(
        id=f"benchmark-{name}",
        family="resvit",
        task="synthesis",
        title=name,
        factory="napari_medsynth.models.resvit:ResViT",
        options=OPTIONS[name],
        inputs=NAMES[:n_in],
        outputs=NAMES[:n_in] if n_in == n_out else NAMES[n_in:],
        is_unified=n_in == n_out,
        norm_statistics=STATISTICS[name],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def study_of(card: ModelCard, shape: tuple[int, int, int]) -> Study:
    """Make a study of noise: no slice is empty, so none is skipped."""
    rng = np.random.default_rng(0)
    volumes = {
        name: Volume(rng.random((1, *shape), dtype=np.float32), modality=name)
        for name in card.inputs
    }
    return Study(volumes)


def resident(*, peak: bool = False) -> float:
    """Give the resident memory of this process [MiB], now or at its highest."""
    if peak:
        unit = 1 << 20 if platform.system() == "Darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def as_table(rows: list[dict[str, float]], options: argparse.Namespace) -> Table:
    """Lay the rows out for people."""
    table = Table(title=machine(options))
    columns = {
        "model": lambda r: r["model"],
        "parameters": lambda r: f"{r['parameters'] / 1e6:.1f} M",
        "GFLOP/slice": lambda r: f"{r['gflop']:.1f}",
        "plain fp32 [ms]": lambda r: f"{r['plain_ms']:.1f}",
        "predict [ms]": lambda r: f"{r['ours_ms']:.1f} {r['precision']}",
        "error rms, max": lambda r: f"{r['rms']:.4f}, {r['largest']:.3f}",
        "slices/s": lambda r: f"{1e3 / r['ours_ms']:.1f}",
        "x plain": lambda r: f"{r['ratio']:.2f}",
        "GEMM peak [GFLOP/s]": lambda r: f"{r['peak_gflops']:.0f}",
        "share of peak": lambda r: f"{r['share']:.0%}",
        "attention": lambda r: f"{r['attention']:+.0%}",
        "peak memory": lambda r: (
            f"{r['peak_mib']:.0f} MiB, of which {r['start_mib']:.0f} at the start"
        ),
    }
    for title in columns:
        table.add_column(title)
    for values in rows:
        table.add_row(*(write(values) for write in columns.values()))
    return table


def machine(options: argparse.Namespace) -> str:
    """Say where and how this was measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    cpu = names[0] if names else platform.processor()
    device = choose_device(options.device)
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return (
        f"{date.today()}, {cpu}{gpu}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, slices of {options.size} x {options.size}, median of "
        f"{options.repeats}; memory: a study of {options.size} cubed"
    )


if __name__ == "__main__":
    main()
