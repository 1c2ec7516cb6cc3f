"""Lightning Fabric for a job: device, precision and processes."""

from __future__ import annotations

import os
from typing import Literal

import psutil
import torch
from lightning_fabric import Fabric

from napari_medsynth.engine.device import choose_device, cpu_has_bf16
from napari_medsynth.errors import EngineError

from .job import TrainJob
from .network import restores

GIB = 1024**3
_PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def fabric_for(job: TrainJob) -> Fabric:
    """Give the launched Fabric of a job.

    With several devices this starts the other processes, each with the same command,
    unless torchrun or SLURM has done so already.

    Raises
    ------
    EngineError
        If there is no such device, or there are fewer.
    """
    device = choose_device(job.learn.device)
    if device.type == "cuda" and job.devices > torch.cuda.device_count():
        raise EngineError(
            f"{job.devices} devices are asked for, but this machine has "
            f"{torch.cuda.device_count()} GPU(s): ask for as many, or for the cpu."
        )
    if is_one_process(job):
        return lone_fabric(job)
    fabric = Fabric(
        accelerator=device.type,
        devices=job.devices,
        num_nodes=job.num_nodes,
        strategy="ddp",
        precision=_PRECISION[choose_training_precision(job, device.type)],
    )
    try:
        fabric.launch()
    except RuntimeError as err:
        raise EngineError(
            f"The {job.devices * job.num_nodes} processes could not be connected "
            f"({str(err).strip().splitlines()[0]}): start the command again."
        ) from err
    return fabric


def lone_fabric(job: TrainJob) -> Fabric:
    """Give a Fabric of this process only, whatever the job says.

    Raises
    ------
    EngineError
        If there is no such device.
    """
    device = choose_device(job.learn.device)
    return Fabric(
        accelerator=device.type,
        devices=[device.index] if device.index else 1,
        precision=_PRECISION[choose_training_precision(job, device.type)],
    )


def is_one_process(job: TrainJob) -> bool:
    """Whether a job is done by one process."""
    return job.devices == 1 and job.num_nodes == 1


def choose_training_precision(job: TrainJob, kind: str) -> str:
    """Give "fp32" or "bf16": what the job says, or what is fast on this device.

    A model that restores is trained in fp32, as it is run: see `choose_precision`.
    """
    if job.learn.precision != "auto":
        return job.learn.precision
    if restores(job):
        return "fp32"
    return "bf16" if kind == "cuda" or (kind == "cpu" and cpu_has_bf16()) else "fp32"


def any_of(fabric: Fabric, is_so: bool) -> bool:
    """Whether any of the processes says so; all of them must ask."""
    if fabric.world_size == 1:
        return is_so
    flag = torch.tensor(float(is_so), device=fabric.device)
    fabric.all_reduce(flag, reduce_op="sum")  # in place
    return bool(flag > 0)


def n_drawers(device: torch.device) -> int:
    """Give how many threads draw batches; on a CPU they only hinder its work."""
    return 1 if device.type == "cpu" else min(4, os.cpu_count() or 1)


def memory_in_use(device: torch.device) -> float:
    """Give the memory of a GPU that torch holds, or that of this process [GiB]."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device) / GIB
    return float(psutil.Process().memory_info().rss / GIB)
