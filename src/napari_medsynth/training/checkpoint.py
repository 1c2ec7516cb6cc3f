"""All that resumes a training run, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from napari_medsynth.errors import WeightsError

Checkpoint = dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write tensors, numbers and strings, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save(checkpoint, temporary)
    temporary.replace(path)


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
