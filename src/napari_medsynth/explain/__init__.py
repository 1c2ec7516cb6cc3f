"""Where a model looked, and what it used. Imports torch: not before something runs."""

from .maps import ATTENTION_METHODS, MapSource, attention_map
from .query import Query, query_at
from .record import SliceRecord, place_maps, record_slice

__all__ = [
    "ATTENTION_METHODS",
    "MapSource",
    "Query",
    "SliceRecord",
    "attention_map",
    "place_maps",
    "query_at",
    "record_slice",
]
