"""How good a synthesis is: numbers with a declared range, per region, and reports.

Importing this package loads nothing heavy; its functions load the engine, hence torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Declaration": "declaration",
    "declare": "declaration",
    "Measured": "measuring",
    "measure": "measuring",
    "report_pictures": "gallery",
    "slice_profile": "profile",
    "METRICS": "metric_names",
    "format_value": "metric_names",
    "Picture": "pictures",
    "comparison_picture": "pictures",
    "Region": "regions",
    "labels_on": "regions",
    "on_grid_of": "regions",
    "regions_of": "regions",
    "remarks_of": "report",
    "write_csv": "report",
    "write_report": "report",
    "WINDOWS": "windows",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
