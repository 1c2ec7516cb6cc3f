"""Jobs of the honesty test: the maps of all models that are shown; for a worker."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medsynth.errors import MedSynthError

from ._attention_ask import Ask, pixels_of
from ._torch import load_torch, no_collection

if TYPE_CHECKING:
    from napari_medsynth.explain import Honesty

    from ._attention_jobs import Job
    from ._session import Session

LIKE_RANDOM, NOT_USED = "like random weights", "not what the model uses"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the test of one model's map found.

    Parameters
    ----------
    title : str
        Of the model.
    honesty : Honesty or None
        None if it could not be tested.
    fractions : tuple of float
        Shares of the subject at which the curves of `honesty` were measured.
    reason : str
        Why it failed or could not be tested, a short word and a colon first; "" if it
        passed.
    """

    title: str
    honesty: Honesty | None
    fractions: tuple[float, ...] = ()
    reason: str = ""

    @property
    def is_passed(self) -> bool | None:
        """Whether the map is honest; None if nobody knows."""
        return None if self.honesty is None else self.honesty.passed


@dataclass(frozen=True)
class Step:
    """How far the test is: `done` of `total`, and a word on it."""

    done: int
    total: int
    text: str


def ask_of(job: Job) -> Ask:
    """Give the ask whose map is tested: the current one, the first pin without it."""
    first, *others = job.asks
    return others[0] if first.is_whole and others else first


def key_of(job: Job, title: str) -> Hashable:
    """Tell maps of a model apart: another key is another map."""
    ask, request = ask_of(job), job.requests[title]
    places = (ask.places.tobytes(), tuple(area.tobytes() for area in ask.areas))
    index = request.index_of(ask.point.tolist())
    asked = (job.source, job.is_reverse, job.target, job.modality)
    return (request, index, places, asked)


def check_maps(
    session: Session, job: Job
) -> Generator[Step | Verdict, None, list[Verdict]]:
    """Test the map of every model; yields steps, and each verdict once it is known.

    A model that cannot be tested does not keep the others from it.
    """
    yield Step(0, 1, "Starting\N{HORIZONTAL ELLIPSIS}")
    load_torch()
    with no_collection():  # scipy comes along
        from napari_medsynth.explain.honesty import N_STEPS

    found: list[Verdict] = []
    for title in job.requests:
        done = len(found) * N_STEPS
        steps = _check(session, job, title)
        while True:
            try:
                text = next(steps)
            except StopIteration as end:
                found.append(end.value)
                break
            except MedSynthError as err:
                found.append(Verdict(title, None, reason=f"Not tested: {err}"))
                break
            yield Step(done, len(job.requests) * N_STEPS, f"{title}: {text}")
            done += 1
        yield found[-1]
    return found


def _check(session: Session, job: Job, title: str) -> Generator[str, None, Verdict]:
    from napari_medsynth.explain import Query, check_map, map_maker
    from napari_medsynth.explain.deletion import FRACTIONS
    from napari_medsynth.explain.honesty import MOST_SIMILAR

    ask, request = ask_of(job), job.requests[title]
    query = None if ask.is_whole else Query(pixels_of(ask, request))
    target = job.target if job.target in request.targets else ""
    make = map_maker(
        job.source,
        query,
        target=target,
        is_reverse=job.is_reverse,
        modality=job.modality,
    )
    prepared, network = session.model(request)
    honesty = yield from check_map(
        prepared,
        network,
        request.index_of(ask.point.tolist()),
        make,
        query=query,
        target=target,
        is_reverse=job.is_reverse,
    )
    is_random = honesty.similarity_to_random > MOST_SIMILAR
    short = LIKE_RANDOM if is_random else NOT_USED
    reason = "" if honesty.passed else f"{short.capitalize()}: {honesty.reason}"
    return Verdict(title, honesty, FRACTIONS, reason)
