"""The subjects of a run: read once, those that cannot be used left out."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.training.events import Event, Note, SubjectRead
from napari_medsynth.training.folder import (
    REPORT,
    is_first_process,
    read_json,
    write_json,
)
from napari_medsynth.training.job import TrainJob

from .cohort import split_for, split_subjects, subjects_for
from .report import SubjectReport, report_subjects
from .samples import Subject


def read_subjects(
    job: TrainJob, card: ModelCard, folder: Path
) -> Generator[Event, str | None, TrainJob | None]:
    """Read every subject once; give the job with those that can be used.

    What was found is written into the folder of the run. As long as the files and what
    the job asks for stay the same, it is not done again: when the run continues, in its
    other processes, or if the dock has read them (`write_report`).

    Parameters
    ----------
    job : TrainJob
        With a folder or studies.
    card : ModelCard
        Of what is trained.
    folder : Path
        Of the run.

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
    subjects = subjects_for(job.data, card)
    asked, known = _asked(job, subjects), read_json(folder / REPORT)
    if known.get("asked") == asked:
        for values in known["subjects"]:
            yield SubjectRead(values)
        return _with(job, known["studies"], known["held_out"])
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


def write_report(
    job: TrainJob, card: ModelCard, folder: Path, reports: Sequence[SubjectReport]
) -> None:
    """Hand a run the report of subjects that were just read, all of them usable.

    Parameters
    ----------
    job : TrainJob
        With these subjects as its studies, and those held out by name.
    card : ModelCard
        Of its base.
    folder : Path
        Of the run.
    reports : sequence of SubjectReport

    Raises
    ------
    EngineError
        If the folder cannot be written.
    """
    held_out = list(job.data.held_out)
    roles = {name: "held out" for name in held_out}
    values = {
        "asked": _asked(job, subjects_for(job.data, card)),
        "subjects": [
            {**one.to_json(), "role": roles.get(one.name, "train")} for one in reports
        ],
        "studies": [dict(study) for study in job.data.studies],
        "held_out": held_out,
    }
    write_json(folder / REPORT, values)


def held_out_of(job: TrainJob, card: ModelCard) -> tuple[Subject, ...]:
    """Give the subjects that a job does not learn from."""
    if not (job.data.folder or job.data.studies):
        return ()
    subjects = subjects_for(job.data, card)
    return split_for(job.data, card, subjects, seed=job.learn.seed)[1]


def _held_out(job: TrainJob, usable: tuple[Subject, ...], chosen: set[str]) -> set[str]:
    """Give who of the usable subjects is held out; choose anew if none is left."""
    names = _names(usable)
    left = names & chosen
    if left and left != names:
        return left
    data = replace(job.data, held_out=())
    return _names(split_subjects(usable, data, seed=job.learn.seed)[1])


def _asked(job: TrainJob, subjects: Sequence[Subject]) -> dict[str, Any]:
    """Give what a report depends on: the job's data, and the versions of its files."""
    paths = sorted({path for subject in subjects for path in subject.files.values()})
    files = [[path, _version(path)] for path in paths]
    return {**job.to_json()["data"], "seed": job.learn.seed, "files": files}


def _version(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0  # reading it will say what is wrong


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
