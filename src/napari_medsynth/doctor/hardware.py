"""Cores, graphics cards and memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from .findings import Finding, State

GIB = 2**30
MINIMUM_MEMORY = 2.0  # [GiB] that the starter needs for a large study


def examine_hardware() -> Iterator[Finding]:
    """Check what can compute, and how much memory is free."""
    yield _memory()
    try:
        yield from _devices()
    except (ImportError, OSError):
        return  # torch is broken: its own finding says so


def available_memory() -> float | None:
    """Give the memory that programs can still get [GiB], None if nobody tells."""
    try:
        import psutil
    except ImportError:
        return _available_by_sysconf()
    return float(psutil.virtual_memory().available) / GIB


def _available_by_sysconf() -> float | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    except (AttributeError, ValueError, OSError):
        return None  # Windows, macOS


def _memory() -> Finding:
    free = available_memory()
    if free is None:
        return Finding("memory", "unknown", State.warning)
    text = f"{free:.1f} GiB free"
    if free >= MINIMUM_MEMORY:
        return Finding("memory", text)
    fix = f"Close other programs: {MINIMUM_MEMORY:g} GiB should be free."
    return Finding("memory", text, State.warning, fix)


def _devices() -> Iterator[Finding]:
    """Describe the CPU and each accelerator that torch can use."""
    import torch

    from napari_medsynth.engine.device import cpu_has_bf16

    bf16 = "computes in bf16" if cpu_has_bf16() else "no bf16, uses fp32"
    yield Finding("CPU", f"{_n_cores()} cores, {bf16}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _cuda_device(index)
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "Apple (mps)")
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "GPU",
            f"an NVIDIA driver is there, but torch {torch.__version__} cannot use it",
            State.warning,
            "Install the CUDA build of torch: https://pytorch.org/get-started/locally/",
        )
    else:
        yield Finding("GPU", "none; everything runs on the CPU")


def _cuda_device(index: int) -> Finding:
    import torch

    name = torch.cuda.get_device_name(index)
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as err:
        text = f"{name} does not answer: {str(err).splitlines()[0]}"
        fix = "Update the NVIDIA driver, or choose the device cpu."
        return Finding(f"cuda:{index}", text, State.warning, fix)
    memory = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    bf16 = "" if torch.cuda.get_device_capability(index)[0] < 8 else ", bf16"
    return Finding(f"cuda:{index}", f"{name}, {memory}{bf16}")


def _n_cores() -> int:
    """Give the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
