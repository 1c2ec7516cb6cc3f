"""Windows that radiologists look at CT through."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Level and width as in radiology textbooks: brain 40/80, bone 400/1800, lung -600/1500,
# soft tissue 50/400.
WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "brain": (0.0, 80.0),
        "bone": (-500.0, 1300.0),
        "lung": (-1350.0, 150.0),
        "soft-tissue": (-150.0, 250.0),
    }
)
"""Name to lowest and highest value shown [HU]."""
