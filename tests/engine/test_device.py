import pytest
import torch

from napari_medsynth.engine import device
from napari_medsynth.engine.device import (
    choose_device,
    choose_precision,
    is_out_of_memory,
    max_batch,
)
from napari_medsynth.errors import EngineError

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have these kinds of device."""

    def pretend(*, cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("has", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_device(machine, has, expected):
    machine(**has)

    assert choose_device("auto").type == expected


@pytest.mark.parametrize("name", ["toaster", "cuda:x", ""])
def test_an_unknown_device_is_named(name):
    with pytest.raises(EngineError, match="must be auto, cpu, cuda"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "meta"])
def test_an_absent_device_is_refused_with_what_there_is(machine, name):
    machine()

    with pytest.raises(EngineError, match="one of: cpu"):
        choose_device(name)


def test_a_gpu_number_that_does_not_exist_is_refused(machine):
    machine(cuda=True)

    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(EngineError, match="no cuda:3"):
        choose_device("cuda:3")


@pytest.mark.parametrize(
    ("has_bf16", "n_parameters", "expected"),
    [
        (True, 3_000_000, "bf16"),
        (True, None, "bf16"),
        (True, 1000, "fp32"),
        (False, 3_000_000, "fp32"),
    ],
)
def test_a_cpu_computes_in_bf16_where_it_gains(
    monkeypatch, has_bf16, n_parameters, expected
):
    monkeypatch.setattr(device, "cpu_has_bf16", lambda: has_bf16)

    assert choose_precision("auto", CPU, n_parameters=n_parameters) == expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")],
)
def test_a_gpu_computes_in_what_its_generation_can(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)

    assert choose_precision("auto", CUDA) == expected


def test_a_deep_network_with_slice_statistics_computes_in_fp32(monkeypatch):
    monkeypatch.setattr(device, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))

    for where in (CPU, CUDA):
        assert choose_precision("auto", where, norm_statistics="batch") == "fp32"
        assert choose_precision("bf16", where, norm_statistics="batch") == "bf16"
        small = choose_precision(
            "auto", where, n_parameters=4_000_000, norm_statistics="batch"
        )
        assert small == "bf16"


def test_an_explicit_precision_is_kept():
    assert choose_precision("fp32", CPU, n_parameters=10**9) == "fp32"
    assert choose_precision("bf16", CPU, n_parameters=1) == "bf16"
    assert choose_precision("fp16", CUDA) == "fp16"


@pytest.mark.parametrize("precision", ["fp8", "half", "fp16"])
def test_a_precision_that_cannot_be_is_refused(precision):
    with pytest.raises(EngineError, match=r"precision must be|CPU does not"):
        choose_precision(precision, CPU)


def test_cpu_bf16_is_looked_up_without_failing_on_other_torches(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)

    assert device.cpu_has_bf16() is False


def test_a_cpu_batches_small_networks_only():
    assert max_batch(CPU, n_parameters=4_000_000) == 4
    assert max_batch(CPU, n_parameters=123_000_000) == 1


def test_a_gpu_batch_fills_most_of_the_free_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10 << 30, 16 << 30))

    assert max_batch(CUDA, bytes_per_slice=1 << 30) == 7
    assert max_batch(CUDA, bytes_per_slice=1 << 40) == 1
    assert max_batch(CUDA, bytes_per_slice=1 << 10) == 64


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert is_out_of_memory(error) is expected


def test_restoration_is_exact_unless_somebody_asks_for_less(monkeypatch):
    monkeypatch.setattr("napari_medsynth.engine.device.cpu_has_bf16", lambda: True)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == "bf16"
    assert choose_precision("auto", cpu, is_restoration=True) == "fp32"
    assert choose_precision("bf16", cpu, is_restoration=True) == "bf16"
