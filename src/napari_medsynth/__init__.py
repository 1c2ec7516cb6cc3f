"""napari-medsynth: synthesise the medical image that was never acquired."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("napari-medsynth")

# OpenMP threads that wait for work spin by default, and on a busy machine (another
# program, a window drawn by software) a slice took 3 to 20 times as long. Read when
# torch loads; what the user set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "Study": "io",
    "Volume": "io",
    "read_study": "io",
    "read_volume": "io",
    "write_volume": "io",
    "ModelCard": "catalogue",
    "ModelPack": "catalogue",
    "get_card": "catalogue",
    "list_cards": "catalogue",
    "predict": "engine",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
