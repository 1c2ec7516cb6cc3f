"""Lightning Fabric for a job: device, precision and processes."""

from __future__ import annotations

from typing import Literal

from lightning_fabric import Fabric

from napari_medsynth.engine.device import choose_device, cpu_has_bf16

from .job import TrainJob

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
        If there is no such device.
    """
    device = choose_device(job.learn.device)
    is_one = job.devices == 1 and job.num_nodes == 1
    fabric = Fabric(
        accelerator=device.type,
        devices=[device.index] if is_one and device.index else job.devices,
        num_nodes=job.num_nodes,
        strategy="auto" if is_one else "ddp",
        precision=_PRECISION[choose_training_precision(job, device.type)],
    )
    if not is_one:
        fabric.launch()
    return fabric


def choose_training_precision(job: TrainJob, kind: str) -> str:
    """Give "fp32" or "bf16": what the job says, or what is fast on this device."""
    if job.learn.precision != "auto":
        return job.learn.precision
    return "bf16" if kind == "cuda" or (kind == "cpu" and cpu_has_bf16()) else "fp32"


def agreed(fabric: Fabric, is_so: bool) -> bool:
    """Let the first process decide for all."""
    return bool(fabric.broadcast(is_so)) if fabric.world_size > 1 else is_so
