"""What works on this machine, what does not, and the one line that mends it."""

from __future__ import annotations

from .findings import Finding, State, report
from .hardware import examine_hardware
from .models import examine_models
from .software import examine_software
from .window import examine_window

__all__ = ["Finding", "State", "examine", "report"]


def examine() -> list[Finding]:
    """Check software, hardware, everything a window needs, and the models.

    Imports torch, but neither Qt nor napari. Nothing is changed.
    """
    return [
        *examine_software(),
        *examine_hardware(),
        *examine_window(),
        *examine_models(),
    ]
