"""Jobs of the Attention dock: plain data in, pictures of maps out; for a worker."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import MedSynthError
from napari_medsynth.explain.methods import METHODS, MapSource

from ._attention_ask import Ask, pixels_of
from ._attention_captions import difference_title, made_by, name_of, short_name
from ._layers import over
from ._session import load_modules
from ._torch import load_torch
from .parts.map_source_box import SOURCE_METHODS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.explain.record import SliceRecord
    from napari_medsynth.io import Volume

    from ._request import Request
    from ._session import Session


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be drawn.

    Parameters
    ----------
    requests : mapping
        Title of a model to what it is run on.
    asks : tuple of Ask
        The one that is wanted first comes first.
    source : MapSource
        Which attention.
    is_reverse : bool
        As `explain.attention_map`.
    target : str
        Output that is explained, of methods that explain one.
    modality : str
        Source whose part is shown, of methods that have a map per source; "" for all.
    pair : tuple of str
        Titles of two models to compare; empty for none.
    has_difference : bool
        Draw their difference too.
    """

    requests: Mapping[str, Request]
    asks: tuple[Ask, ...]
    source: MapSource
    is_reverse: bool = False
    target: str = ""
    modality: str = ""
    pair: tuple[str, ...] = ()
    has_difference: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """Titles of all models, and of the difference if there is to be one."""
        cells = tuple(self.requests)
        if self.has_difference and all(title in cells for title in self.pair):
            return (*cells, difference_title(self.pair))
        return cells


@dataclass(frozen=True, eq=False)
class Picture:
    """A map, ready to become a layer.

    Parameters
    ----------
    cell : str
        Title of the model, or that of the difference.
    number : int
        Of the `Ask`.
    caption : str
        Method, direction, model and weights.
    volume : Volume
        The map.
    place : mapping
        Arguments of ``add_image`` that lay it over the anatomy.
    is_signed : bool
        Its colours run from negative to positive.
    is_difference : bool
        It compares two models, and its values are of another kind than theirs.
    short : str
        Method and weights, where the model is said above.
    """

    cell: str
    number: int
    caption: str
    volume: Volume
    place: Mapping[str, Any]
    is_signed: bool = False
    is_difference: bool = False
    short: str = ""


@dataclass(frozen=True)
class Failed:
    """Why a model has no map; `number` is that of the `Ask`."""

    cell: str
    number: int
    reason: str


@dataclass(frozen=True)
class Alike:
    """Rank correlation of the maps of a pair, for the ask with a `number`."""

    number: int
    correlation: float


@dataclass(frozen=True, eq=False)
class Recorded:
    """What the models did with the slice of the first ask, by title."""

    records: list[tuple[str, SliceRecord]] = field(default_factory=list)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Give the layers and heads of every block, the most that a model has."""
        sizes: dict[str, tuple[int, int]] = {}
        for _, record in self.records:
            for block, layers in record.layers.items():
                n_layers, n_heads = sizes.get(block, (0, 0))
                most = (max(n_layers, len(layers)), max(n_heads, len(layers[0])))
                sizes[block] = most
        return sizes


Told = Picture | Failed | Alike | Recorded


def draw(session: Session, job: Job) -> Generator[Told | None, None, None]:
    """Make the maps of all models for all asks, those of the first ask first.

    A model that fails does not keep the others from being shown.
    """
    load_modules()
    session.keep(list(job.requests.values()))
    recorded = Recorded()
    for ask in job.asks:
        made: dict[str, Picture] = {}
        for title, request in job.requests.items():
            yield None  # a newer job may stop this one
            try:
                record = session.record(request, request.index_of(ask.point.tolist()))
                _, network = session.model(request)
                made[title] = _picture(job, title, ask, record, network)
            except MedSynthError as err:
                yield Failed(title, ask.number, str(err))
                continue
            if ask is job.asks[0]:
                recorded.records.append((title, record))
            yield made[title]
        yield from _compare(job, ask, made)
    yield recorded


def draw_all(
    session: Session, job: Job
) -> Generator[tuple[int, int], None, list[Picture]]:
    """Make the maps of all slices for the first ask, as one volume per model.

    Yields how many of how many slices are done.
    """
    load_torch()
    from napari_medsynth.explain import map_volume

    ask, done, made = job.asks[0], 0, {}
    total = sum(r.reference.shape[r.axis] for r in job.requests.values())
    for title, request in job.requests.items():
        prepared, network = session.model(request)
        maker = _Maker(job, ask, request)
        steps = map_volume(
            prepared, network, maker, range(prepared.n_slices), name=name_of(job, ask)
        )
        try:
            while True:
                next(steps)
                done += 1
                yield done, total
        except StopIteration as end:
            made[title] = _as_picture(job, title, ask, end.value)
    pictures = list(made.values())
    pictures += [p for p in _compare(job, ask, made) if isinstance(p, Picture)]
    return pictures


@dataclass(frozen=True, eq=False)
class _Maker:
    """Makes the map of any slice for an ask, which moves to that slice."""

    job: Job
    ask: Ask
    request: Request

    def __call__(
        self, record: SliceRecord, network: SliceNetwork
    ) -> NDArray[np.float32]:
        place, axis = self.request.place, self.request.axis
        point = np.array(place["translate"], float)
        point[axis] += record.index * place["scale"][axis]
        moved = self.ask.moved_to(point.tolist(), axis)
        return _values(self.job, moved, self.request, record, network)


def _picture(
    job: Job, title: str, ask: Ask, record: SliceRecord, network: SliceNetwork
) -> Picture:
    request = job.requests[title]
    values = _values(job, ask, request, record, network)
    volume = record.place(values, name_of(job, ask))
    return _as_picture(job, title, ask, volume)


def _values(
    job: Job, ask: Ask, request: Request, record: SliceRecord, network: SliceNetwork
) -> NDArray[np.float32]:
    from napari_medsynth.explain.making import map_maker
    from napari_medsynth.explain.query import Query

    query = None if ask.is_whole else Query(pixels_of(ask, request))
    make = map_maker(
        job.source,
        query,
        target=job.target if job.target in request.targets else "",
        is_reverse=job.is_reverse,
        modality=job.modality,
    )
    return make(record, network)


def _compare(
    job: Job, ask: Ask, made: Mapping[str, Picture]
) -> Generator[Told, None, None]:
    """Correlation and difference of the pair, if both have a map."""
    from napari_medsynth.explain import difference, rank_correlation

    if not job.pair or not all(title in made for title in job.pair):
        return
    first, second = (made[title].volume for title in job.pair)
    yield Alike(ask.number, rank_correlation(first, second))
    if job.has_difference:
        changed = difference(second, first)
        title = difference_title(job.pair)
        request = job.requests[job.pair[0]]
        place = over(changed, request.reference, request.place)
        caption = f"{name_of(job, ask)}: {title}"
        flags = {"is_signed": True, "is_difference": True}
        short = short_name(job)
        yield Picture(title, ask.number, caption, changed, place, short=short, **flags)


def _as_picture(job: Job, title: str, ask: Ask, volume: Volume) -> Picture:
    request = job.requests[title]
    known = dict(volume.metadata)
    asked = [] if ask.is_whole else ask.middle.round(2).tolist()
    provenance = {**known.get("provenance", {}), "method": job.source.title}
    provenance |= {"is_reverse": job.is_reverse, "asked_at": asked}
    volume = replace(volume, metadata={**known, "provenance": provenance})
    return Picture(
        title,
        ask.number,
        f"{name_of(job, ask)}: {made_by(request.card)}",
        volume,
        over(volume, request.reference, request.place),
        _is_signed(job),
        short=short_name(job, request.card.sha256),
    )


def _is_signed(job: Job) -> bool:
    """Tell whether values below 0 mean something: not in a sum over all sources."""
    is_sum = job.source.method in SOURCE_METHODS and not job.modality
    return METHODS[job.source.method].is_signed and not is_sum
