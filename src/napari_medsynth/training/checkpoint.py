"""All that resumes a training run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from napari_medsynth.errors import EngineError, WeightsError

Checkpoint = dict[str, Any]


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
        torch.save(checkpoint, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as err:  # torch's zip writer: RuntimeError
        temporary.unlink(missing_ok=True)
        raise EngineError(
            f"The checkpoint {path} could not be written ({_first_line(err)}): free "
            "some space and resume; the last good checkpoint was kept."
        ) from err


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    WeightsError
        If the file is missing or damaged.
    """
    try:
        loaded: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise WeightsError(f"The checkpoint {path} does not exist.") from err
    except (RuntimeError, EOFError, OSError, ValueError) as err:
        raise WeightsError(
            f"The checkpoint {path} is damaged; delete it to start again."
        ) from err
    return loaded


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
