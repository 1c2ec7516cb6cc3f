"""Train and fine-tune a model on simulated and real subjects.

Submodules are loaded when something of them is used: settings and data need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "DataConfig": "job",
    "NetworkConfig": "job",
    "TrainConfig": "config",
    "TrainJob": "job",
    "job_from_card": "from_card",
    "job_from_json": "job",
    "read_job": "job",
    "train": "loop",
    "train_from_config": "scratch",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
