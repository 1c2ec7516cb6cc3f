"""All that resumes a training run, in one file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from napari_medsynth.errors import EngineError, WeightsError

from .data.samples import SubjectSlices
from .job import TrainJob

Checkpoint = dict[str, Any]

FORMAT = 2
# What may change when a run is continued; all else decides about its weights. A new
# number of epochs also changes the schedule of the learning rate, from then on.
FREE = frozenset(
    (
        *("id", "title", "output", "licence", "training_data", "limits"),
        *("learn.epochs", "learn.patience", "learn.checkpoint_every"),
        *("learn.device", "learn.n_threads"),
    )
)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write tensors, numbers and strings, whole or not at all.

    Raises
    ------
    EngineError
        If the disk is full or cannot be written; the last checkpoint stays.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # before the name: power may fail between them
        temporary.replace(path)
    except (OSError, RuntimeError) as err:  # torch's zip writer: RuntimeError
        _remove(temporary)
        raise EngineError(
            f"The checkpoint {path} could not be written ({_first_line(err)}): free "
            "some space and resume; the last good checkpoint was kept."
        ) from err


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or of another version.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise WeightsError(f"The checkpoint {path} does not exist.") from err
    except (
        *(RuntimeError, EOFError, OSError, ValueError, KeyError),
        pickle.UnpicklingError,
    ) as err:
        raise WeightsError(
            f"The checkpoint {path} is damaged; delete it to start again."
        ) from err
    if not isinstance(loaded, dict) or loaded.get("format") != FORMAT:
        raise WeightsError(
            f"The checkpoint {path} is of another version; delete it to start again."
        )
    return loaded


def settings_of(job: TrainJob) -> dict[str, Any]:
    """Flatten what decides about the weights: {"learn.seed": 0, ...}."""
    flat: dict[str, Any] = {}
    for key, value in job.to_json().items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": one for name, one in value.items()}
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if key not in FREE}


def check_settings(then: dict[str, Any], job: TrainJob) -> None:
    """Raise WeightsError unless a checkpoint's settings are those of `job`."""
    now = settings_of(job)
    changed = sorted(key for key in now.keys() | then if now.get(key) != then.get(key))
    if changed:
        name, more = changed[0], len(changed) - 1
        raise WeightsError(
            f"The checkpoint was made with {name} = {_short(then.get(name))}, the job "
            f"says {_short(now.get(name))}{f' (and {more} more)' if more else ''}: "
            "resume with the same settings, or start again in another folder."
        )


def digest_of(
    train_on: Sequence[SubjectSlices],
    held_out: Sequence[SubjectSlices],
    planes: Sequence[str],
) -> str:
    """Give a fingerprint of who is learnt from, and of how many slices."""
    facts = [
        [[s.name, [len(s.indices(plane)) for plane in planes]] for s in train_on],
        [s.name for s in held_out],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def check_digest(then: str, now: str) -> None:
    """Raise WeightsError unless the subjects are those of the checkpoint."""
    if then != now:
        raise WeightsError(
            "The subjects or their slices are no longer those of the checkpoint: bring "
            "them back, or start again in another folder."
        )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _remove(path: Path) -> None:
    """Try to remove a file; a disk that is lost must not hide why."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
