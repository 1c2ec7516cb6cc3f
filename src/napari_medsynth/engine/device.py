"""Choose the device, the precision and the batch size that a network runs with.

The number of CPU threads stays torch's own (one per core; ``OMP_NUM_THREADS`` or
``torch.set_num_threads`` change it): operators release Python's lock while they
compute, so a worker thread that uses every core delays a window's events by some 20 ms.
"""

from __future__ import annotations

import torch

from napari_medsynth.errors import EngineError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Below this many parameters bf16 saved nothing on a CPU; see `choose_precision`.
_MIN_BF16_PARAMETERS = 1_000_000
# Above this many, statistics of each slice carry bf16's error too far.
_MAX_BF16_SLICE_PARAMETERS = 10_000_000
_MAX_GPU_BATCH = 64
_MAX_CPU_BATCH = 4
_MAX_PARAMETERS_OF_A_CPU_BATCH = 10_000_000
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "alloc_failed",
    "invalid buffer size",
)


def choose_device(device: str = "auto") -> torch.device:
    """Give the device of a name: "auto" is CUDA, else MPS (Apple), else the CPU.

    Raises
    ------
    EngineError
        If the name is unknown or this machine has no such device.
    """
    if device == "auto":
        return torch.device(available_devices()[0])
    try:
        chosen = torch.device(device)
    except RuntimeError as err:
        raise EngineError(
            f"The device must be auto, cpu, cuda, cuda:N or mps, got {device!r}."
        ) from err
    if chosen.type not in available_devices():
        found = ", ".join(available_devices())
        raise EngineError(
            f"There is no {chosen.type} device here that torch can use; choose auto or "
            f"one of: {found}."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise EngineError(
            f"There is no {device}: this machine has {torch.cuda.device_count()} CUDA "
            "device(s), numbered from 0."
        )
    return chosen


def available_devices() -> list[str]:
    """Give the kinds of device that torch can use here, the best one first."""
    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    return found


def choose_precision(
    precision: str,
    device: torch.device,
    *,
    n_parameters: int | None = None,
    norm_statistics: str = "running",
    is_restoration: bool = False,
) -> str:
    """Give "fp32", "bf16" or "fp16"; "auto" takes what is faster at a small error.

    Parameters
    ----------
    precision : str
        "auto" or one of `DTYPES`.
    device : torch.device
        Where the network runs.
    n_parameters : int, optional
        Size of the network; small ones gain nothing from bf16 on a CPU.
    norm_statistics : {"running", "batch"}
        See `ModelCard`.
    is_restoration : bool
        Whether an image is to be kept but for its faults.

    Raises
    ------
    EngineError
        If the precision is unknown, or fp16 is asked of a CPU.

    Notes
    -----
    "auto" is bf16 on a CPU with AVX512-BF16 or AMX, bf16 on a CUDA device that computes
    in it (Ampere and later), fp16 on older ones from Volta on, else fp32. Where the
    norms of a large network use the statistics of each slice ("batch") it is fp32.

    Error of bf16 against fp32, original ResViT with the weights of the golden vectors,
    output in [-1, 1]: rms 0.0038, at most 0.02 with running statistics (54 dB); rms
    0.020, at most 0.09 with those of each slice (40 dB), hence the exception. Another
    one is restoration: bf16 has steps of 16 HU in a window of 4096.
    """
    if precision == "auto":
        if is_restoration:
            return "fp32"
        is_deep = n_parameters is None or n_parameters > _MAX_BF16_SLICE_PARAMETERS
        if norm_statistics == "batch" and is_deep:
            return "fp32"
        if device.type == "cuda":
            return _cuda_precision(device)
        is_large = n_parameters is None or n_parameters >= _MIN_BF16_PARAMETERS
        gains = device.type == "cpu" and is_large and cpu_has_bf16()
        return "bf16" if gains else "fp32"
    if precision not in DTYPES:
        known = ", ".join(DTYPES)
        raise EngineError(f"The precision must be auto, {known}, got {precision!r}.")
    if precision == "fp16" and device.type == "cpu":
        raise EngineError("A CPU does not compute in fp16; choose auto, bf16 or fp32.")
    return precision


def cpu_has_bf16() -> bool:
    """Tell whether the CPU multiplies bf16 numbers itself, not by way of fp32."""
    # torch names these two privately; a release without them counts as "no".
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        is_supported = getattr(torch.cpu, name, None)
        if is_supported is not None and is_supported():
            return True
    return False


def _cuda_precision(device: torch.device) -> str:
    major, _ = torch.cuda.get_device_capability(device)
    return "bf16" if major >= 8 else "fp16" if major == 7 else "fp32"


def max_batch(
    device: torch.device, *, n_parameters: int = 0, bytes_per_slice: int = 0
) -> int:
    """Give the largest batch worth trying.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    n_parameters : int
        Size of the network.
    bytes_per_slice : int
        What one slice added to the peak memory of a GPU; 0 if nobody measured it.

    Notes
    -----
    On a CPU, small networks gain about a tenth from a batch of 4; for large ones it is
    a loss, because the activations no longer fit the cache.
    """
    if device.type == "cpu":
        is_small = n_parameters <= _MAX_PARAMETERS_OF_A_CPU_BATCH
        return _MAX_CPU_BATCH if is_small else 1
    if device.type != "cuda" or bytes_per_slice <= 0:
        return 8
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(_MAX_GPU_BATCH, int(0.7 * free) // bytes_per_slice))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch or numpy says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(s in text for s in _OUT_OF_MEMORY)


def free_memory(device: torch.device) -> None:
    """Give cached memory of a GPU back to the system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
