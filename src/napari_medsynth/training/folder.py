"""The folder of a run: its job, what it read, and who may write there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_medsynth.catalogue import user_folder
from napari_medsynth.errors import CardError, EngineError

from .job import TrainJob

JOB, REPORT, VERDICT, CHECKPOINT = (
    "job.json",
    "report.json",
    "verdict.json",
    "checkpoint.pt",
)


def default_folder(job: TrainJob) -> Path:
    """Give a new place for a run, in the user's folder."""
    return user_folder() / "runs" / f"{job.id}-{datetime.now():%Y%m%d-%H%M%S}"


def is_first_process(job: TrainJob | None = None) -> bool:
    """Whether this process reads, tells and writes for all that share a job.

    Known from the environment, which torchrun, SLURM and Fabric set, so that nothing
    has to be launched to know it. SLURM also numbers what does not belong together:
    its number counts only for a `job` that is shared.
    """
    names = ["RANK", "GROUP_RANK", "NODE_RANK", "LOCAL_RANK"]
    if job is not None:
        if job.devices == 1 and job.num_nodes == 1:
            return True
        names.append("SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


def open_folder(job: TrainJob, folder: Path, *, resume: bool) -> None:
    """Make the folder of a new run and write its job there.

    Raises
    ------
    CardError
        If a run is there that is not to be continued.
    EngineError
        If the folder cannot be written.
    """
    if (folder / CHECKPOINT).is_file():
        if resume:
            return
        raise CardError(
            f"{folder} holds a run already: continue it with --resume, or choose "
            "another folder with --output."
        )
    write_json(folder / JOB, job.to_json())


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote; {} if it is not there or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    EngineError
        If it cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")
        temporary.replace(path)
    except OSError as err:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise EngineError(
            f"{path} cannot be written ({err.strerror}): free some space, or choose "
            "another folder with --output."
        ) from err
