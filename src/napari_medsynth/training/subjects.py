"""The subjects of a run: read once, those that cannot be used left out."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_medsynth.catalogue import ModelCard

from .cohort import find_subjects, split_subjects
from .events import Event, Note, SubjectRead
from .folder import REPORT, is_first_process, read_json, write_json
from .job import TrainJob
from .report import report_subjects
from .samples import Subject, contrasts_of


def read_subjects(
    job: TrainJob, card: ModelCard, folder: Path, *, is_known: bool = False
) -> Generator[Event, str | None, TrainJob | None]:
    """Read every subject once; give the job with those that can be used.

    What was found is written into the folder of the run: it continues with the same
    subjects, and its other processes need not read them again.

    Parameters
    ----------
    job : TrainJob
        With a folder or studies.
    card : ModelCard
        Of what is trained.
    folder : Path
        Of the run.
    is_known : bool
        Take what the folder says, if it does and the job asks for the same data.

    Yields
    ------
    Event
        `SubjectRead` for each subject, and a `Note` for each that is left out.

    Returns
    -------
    TrainJob or None
        Every file and held-out subject named; None if stopped.

    Raises
    ------
    VolumeError
        If no subject can be used.
    """
    asked = {**job.to_json()["data"], "seed": job.learn.seed}
    known = read_json(folder / REPORT) if is_known else {}
    if known.get("asked") == asked:
        for values in known["subjects"]:
            yield SubjectRead(values)
        return _with(job, known["studies"], known["held_out"])
    subjects = find_subjects(job.data, contrasts_of(card))
    names = _names(split_subjects(subjects, job.data, seed=job.learn.seed)[1])
    reports: list[Mapping[str, Any]] = []
    steps = report_subjects(
        subjects,
        card,
        align=job.data.align,
        held_out=names,
        targets=job.targets,
    )
    with closing(steps):
        while True:
            try:
                one = next(steps)
            except StopIteration as finished:
                usable: tuple[Subject, ...] = finished.value
                break
            reports.append(one.to_json())
            if (yield SubjectRead(reports[-1])) == "stop":
                return None
            if one.role == "unusable":
                text = f"{one.name} is left out: {'; '.join(one.problems)}"
                yield Note(text, "warning")
    held_out = sorted(_held_out(job, usable, names))
    studies = [_study(one) for one in usable]
    if is_first_process(job):
        values = {"subjects": reports, "studies": studies, "held_out": held_out}
        write_json(folder / REPORT, {**values, "asked": asked})
    return _with(job, studies, held_out)


def held_out_of(job: TrainJob, card: ModelCard) -> tuple[Subject, ...]:
    """Give the subjects that a job does not learn from."""
    if not (job.data.folder or job.data.studies):
        return ()
    subjects = find_subjects(job.data, contrasts_of(card))
    return split_subjects(subjects, job.data, seed=job.learn.seed)[1]


def _held_out(job: TrainJob, usable: tuple[Subject, ...], chosen: set[str]) -> set[str]:
    """Give who of the usable subjects is held out; choose anew if none is left."""
    names = _names(usable)
    left = names & chosen
    if left and left != names:
        return left
    data = replace(job.data, held_out=())
    return _names(split_subjects(usable, data, seed=job.learn.seed)[1])


def _study(subject: Subject) -> dict[str, str]:
    is_session = subject.person not in ("", subject.name)
    person = {"person": subject.person} if is_session else {}
    return {"subject": subject.name, **person, **subject.files}


def _names(subjects: tuple[Subject, ...]) -> set[str]:
    return {subject.name for subject in subjects}


def _with(
    job: TrainJob, studies: Sequence[Mapping[str, str]], held_out: Sequence[str]
) -> TrainJob:
    """Name every file and who is held out; nothing is left to be found or chosen."""
    data = replace(
        job.data,
        folder="",
        studies=tuple(studies),
        held_out=tuple(held_out),
        held_out_share=job.data.held_out_share if held_out else 0.0,
    )
    return replace(job, data=data)
