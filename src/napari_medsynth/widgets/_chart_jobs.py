"""Jobs of the charts in the Attention dock; for a worker."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from ._torch import load_torch

if TYPE_CHECKING:
    from napari_medsynth.explain import HeadStatistic, PathStrength, SliceRecord

    from ._request import Request
    from ._session import Session

    Heads = tuple[SliceRecord, tuple[HeadStatistic, ...]]
    Paths = tuple[Request, int, tuple[PathStrength, ...]]
    AllPaths = tuple[Request, dict[int, tuple[PathStrength, ...]]]


def heads_of(record: SliceRecord) -> Generator[None, None, Heads]:
    """Measure the heads of a record."""
    yield
    from napari_medsynth.explain import head_statistics

    return record, head_statistics(record)


def paths_of(
    session: Session, request: Request, index: int
) -> Generator[None, None, Paths]:
    """Measure the paths of one slice."""
    yield
    load_torch()
    from napari_medsynth.explain import path_strengths

    return request, index, path_strengths(*session.model(request), index)


def all_paths_of(
    session: Session, request: Request
) -> Generator[tuple[int, int], None, AllPaths]:
    """Measure the paths of all slices; yields how many of how many are done."""
    load_torch()
    from napari_medsynth.explain import path_strengths_of

    prepared, network = session.model(request)
    n_slices = prepared.n_slices
    yield 0, n_slices
    steps = path_strengths_of(prepared, network, range(n_slices))
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            return request, end.value
        yield done, n_slices
