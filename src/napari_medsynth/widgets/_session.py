"""Session: networks, prepared studies and records of slices, kept for the next query.

Its methods import torch: they are for worker threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING

from ._torch import load_torch, no_collection

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.explain.record import SliceRecord

    from ._request import Request

MAX_BYTES = 512 * 2**20  # of records; a slice of the starter takes 6 MB


class Session:
    """What was computed, by request and slice; the least recently used goes first.

    Requests are told apart by identity: the same choice must be the same object. May be
    used by two threads at once.

    Parameters
    ----------
    max_bytes : int
        Of all records together; the last one is kept even if it is larger.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._models: dict[Request, tuple[Prepared, SliceNetwork]] = {}
        self._records: OrderedDict[tuple[Request, int], SliceRecord] = OrderedDict()
        self._lock = Lock()

    def keep(self, requests: Collection[Request]) -> None:
        """Forget all that belongs to other requests."""
        with self._lock:
            kept = set(requests)
            self._models = {r: m for r, m in self._models.items() if r in kept}
            for key in [key for key in self._records if key[0] not in kept]:
                del self._records[key]

    def model(self, request: Request) -> tuple[Prepared, SliceNetwork]:
        """Give the prepared study and the network of a request.

        Raises
        ------
        MedSynthError
            If the model cannot be run on it.
        """
        load_torch()
        from napari_medsynth.engine.prepared import prepare_study
        from napari_medsynth.engine.slice_network import SliceNetwork

        with self._lock:
            known = self._models.get(request)
        if known is not None:
            return known
        options = request.options
        prepared = prepare_study(
            request.study,
            request.card,
            targets=request.targets,
            sources=request.study.modalities,
            plane=options.plane,
        )
        network = SliceNetwork(
            request.card, device=options.device, precision=options.precision
        )
        with self._lock:
            return self._models.setdefault(request, (prepared, network))

    def record(self, request: Request, index: int) -> SliceRecord:
        """Give the record of a slice; the model runs only if there is none.

        Raises
        ------
        MedSynthError
            If the model cannot be run.
        """
        from napari_medsynth.explain import record_slice

        key = (request, index)
        with self._lock:
            if key in self._records:
                self._records.move_to_end(key)
                return self._records[key]
        record = record_slice(*self.model(request), index)
        with self._lock:
            self._records[key] = record
            while len(self._records) > 1 and self._n_bytes() > self._max_bytes:
                self._records.popitem(last=False)
        return record

    def has(self, request: Request, index: int) -> bool:
        """Tell whether the record of a slice is there."""
        return (request, index) in self._records

    def _n_bytes(self) -> int:
        return sum(
            layer.nbytes
            for record in self._records.values()
            for layers in record.layers.values()
            for layer in layers
        )


def load_modules() -> None:
    """Import in a worker thread what would take long in the GUI thread.

    The first points layer of napari imports pandas: 0.3 s.
    """
    load_torch()
    with no_collection():
        import_module("pandas")
