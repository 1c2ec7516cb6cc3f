"""Jobs of the Trust dock: plain data in, numbers and maps out; for a worker thread."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.catalogue.pack import replacing
from napari_medsynth.trust.site import load_self_test

from ._layers import over
from ._torch import load_torch
from ._trust_words import made_by

if TYPE_CHECKING:
    from napari_medsynth.io import Volume
    from napari_medsynth.trust.consistency import Consistency
    from napari_medsynth.trust.one_slice import Tally

    from ._request import Request
    from ._session import Session

_TOP = 99.5  # percentile of the magnitudes that gets full colour
_EVERY = 7  # of the voxels are enough to find it

KINDS = {"change": "what changes without it", "contribution": "what it contributes"}


@dataclass(frozen=True, eq=False)
class TrustMap:
    """A signed map, ready to become a layer.

    Parameters
    ----------
    name : str
        Source, target, model and weights: the layer's name.
    volume : Volume
        -1 to 1, 0 where nothing is known.
    place : mapping
        Arguments of ``add_image`` that lay it over the first source.
    top : float
        Magnitude that gets full colour, the same for all maps of a kind and target.
    """

    name: str
    volume: Volume
    place: Mapping[str, Any]
    top: float


@dataclass(frozen=True, eq=False)
class Contributed:
    """What the sources contributed to one slice, or to all of them.

    Parameters
    ----------
    request : Request
    index : int or None
        The slice; None for all.
    tally : Tally
    by_slice : mapping
        Index to the `Tally` of that slice.
    maps : mapping
        Kind ("contribution", "change") to (target, source) to its map.
    notes : tuple of str
        What to know when reading it.
    """

    request: Request
    index: int | None
    tally: Tally
    by_slice: Mapping[int, Tally]
    maps: Mapping[str, Mapping[tuple[str, str], TrustMap]]
    notes: tuple[str, ...]


def contribute(
    session: Session, request: Request, index: int | None
) -> Generator[tuple[int, int], None, Contributed]:
    """Find out what each source contributes; yields how many slices of how many.

    Raises
    ------
    MedSynthError
        If the model cannot be run on it, or there are too many sources.
    """
    n_slices = request.reference.shape[request.axis] if index is None else 1
    yield 0, n_slices
    load_torch()
    from napari_medsynth.trust.contribution import contributions

    session.keep([request])
    prepared, network = session.model(request)
    chosen = None if index is None else (index,)
    steps = contributions(prepared, network, chosen)
    tallies: dict[int, Tally] = {}
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            found = finished.value
            break
        if step.latest is not None:
            tallies[step.latest.index] = step.latest.tally
        yield step.done * n_slices // step.total, n_slices
    maps = {
        kind: _maps(request, volumes, ", all slices" if index is None else "")
        for kind, volumes in (
            ("contribution", found.volumes),
            ("change", found.changes),
        )
    }
    return Contributed(request, index, found.tally, tallies, maps, found.notes)


@dataclass(frozen=True, eq=False)
class Checked:
    """How far a synthesis agrees with the scans it was made of.

    Parameters
    ----------
    consistency : Consistency
    maps : tuple of TrustMap
        One per source that was made back.
    """

    consistency: Consistency
    maps: tuple[TrustMap, ...]


def check(
    request: Request, synthesis: Volume, place: Mapping[str, Any], index: int | None
) -> Generator[tuple[int, int], None, Checked]:
    """Make the sources back from a synthesis; yields how many slices of how many.

    Parameters
    ----------
    request : Request
        The real sources, and the model.
    synthesis : Volume
    place : mapping
        Arguments of ``add_image`` that lay an array of its grid over it.
    index : int or None
        Slice of the synthesis; None for all.

    Raises
    ------
    MedSynthError
        If the model cannot go back, or cannot be run.
    """
    n_slices = synthesis.shape[request.axis] if index is None else 1
    yield 0, n_slices
    load_torch()
    from napari_medsynth.trust.consistency import check_consistency

    options = request.options
    steps = check_consistency(
        request.study,
        request.card,
        synthesis,
        plane=options.plane,
        slices=None if index is None else (index,),
        site=load_self_test(request.card),
        device=options.device,
        precision=options.precision,
    )
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            found: Consistency = finished.value
            break
        yield step.done, step.total
    top = top_of(one.disagreement for one in found.agreements.values())
    maps = tuple(
        TrustMap(
            f"{one.source} back from {found.target}, disagreement: "
            f"{made_by(request.card)}",
            one.disagreement,
            place,
            top,
        )
        for one in found.agreements.values()
    )
    return Checked(found, maps)


def _maps(
    request: Request, volumes: Mapping[tuple[str, str], Volume], which: str
) -> dict[tuple[str, str], TrustMap]:
    """Give maps of all sources with colours that can be compared."""
    tops = {t: top_of(v for p, v in volumes.items() if p[0] == t) for t, _ in volumes}
    return {
        pair: TrustMap(
            f"{pair[1]} in {pair[0]}, {volume.metadata['trust']}: "
            f"{made_by(request.card)}{which}",
            volume,
            over(volume, request.reference, request.place),
            tops[pair[0]],
        )
        for pair, volume in volumes.items()
    }


def top_of(volumes: Iterable[Volume]) -> float:
    """Give the magnitude of full colour: most of what is not 0 lies below."""
    seen = [np.abs(volume.data.ravel()[::_EVERY]) for volume in volumes]
    values = np.concatenate(seen)
    values = values[values > 0]
    return float(np.percentile(values, _TOP)) if values.size else 1.0


def save_text(path: Path, text: str) -> Generator[None, None, Path]:
    """Write a file, whole or not at all; steps for a worker.

    Raises
    ------
    MedSynthError
        If it cannot be written.
    """
    yield
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path
