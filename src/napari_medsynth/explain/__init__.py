"""Where a model looked, and what it used.

Submodules are loaded when something of them is used: `METHODS` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "ATTENTION_METHODS": "methods",
    "HeadStatistic": "heads",
    "Honesty": "honesty",
    "METHODS": "methods",
    "MapSource": "methods",
    "Method": "methods",
    "PathStrength": "paths",
    "Query": "query",
    "SliceRecord": "record",
    "SourceMaps": "gradients",
    "attention_map": "maps",
    "check_map": "honesty",
    "difference": "volumes",
    "gradient_times_input": "gradients",
    "head_statistics": "heads",
    "integrated_gradients": "gradients",
    "map_maker": "making",
    "map_volume": "volumes",
    "occlusion": "gradients",
    "overlay_picture": "overlay",
    "path_strengths": "paths",
    "path_strengths_of": "paths",
    "place_maps": "record",
    "query_at": "query",
    "rank_correlation": "similarity",
    "record_slice": "record",
    "relevance": "gradient_attention",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
